// Files of a drop or of the clipboard, those in folders too.

const readAll = (reader: FileSystemDirectoryReader) =>
  new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = entry as FileSystemFileEntry;
    return [await new Promise<File>((resolve, reject) => file.file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  // It gives a part at a time.
  for (let part = await readAll(reader); part.length > 0; part = await readAll(reader)) {
    for (const inner of part) found.push(...(await filesOf(inner)));
  }
  return found;
}

/** Must be called while the event is handled: afterwards the entries are gone. */
export async function filesIn(data: DataTransfer): Promise<File[]> {
  const plain = [...data.files];
  const entries = [...data.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const folders = entries.filter((entry) => entry?.isDirectory);
  const inFolders = await Promise.all(folders.map((entry) => filesOf(entry as FileSystemEntry)));
  // A folder is in `files` too, as something that cannot be read.
  const names = new Set(folders.map((entry) => entry?.name));
  return [...plain.filter((file) => !(names.has(file.name) && file.type === "")), ...inFolders.flat()].filter(
    (file) => !file.name.startsWith("."),
  );
}

export function hasFiles(data: DataTransfer | null): boolean {
  return data?.types.includes("Files") ?? false;
}
