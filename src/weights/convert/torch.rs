//! Reading a checkpoint of PyTorch: a pickle that describes the tensors, and beside it their numbers. Versions before 1.6 wrote both one
//! behind the other, later ones as files of an archive.
//!
//! Owns how tensors are written, too: as safetensors.
//!
//! A pickle is a program that builds objects. Of it only the steps are known here that such a description takes, and
//! none of them runs anything: classes and calls stay names.

use std::collections::{BTreeMap, HashMap};
use std::io;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use zip::{CompressionMethod, ZipArchive};

use super::Error;
use super::cursor::{Cursor, f32s};

/// How an archive begins, and where its pickle and its numbers are, in the one folder that it has.
const ARCHIVE: &[u8] = b"PK\x03\x04";
const PICKLE: &str = "/data.pkl";
const NUMBERS: &str = "/data/";
/// Three pickles that an older file begins with: its mark, its version, and a note on the machine that wrote it, which
/// is read and not asked.
const MARK: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
/// A description takes some thousand objects; damaged ones may not take all memory.
const MOST_OBJECTS: usize = 100_000;

/// Objects name each other by their place, so that one may be part of several, and nothing here calls itself.
type Place = usize;

#[derive(Debug)]
enum Object<'a> {
    /// Nothing that a tensor needs.
    Other,
    Number(usize),
    Text(&'a str),
    Class {
        module: &'a str,
        name: &'a str,
    },
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dictionary(Vec<(Place, Place)>),
    Call {
        function: Place,
        arguments: Place,
    },
    /// Numbers that lie outside the pickle.
    Storage(Place),
}

/// The objects of one pickle.
struct Pickle<'a> {
    what: &'static str,
    objects: Vec<Object<'a>>,
    root: Place,
}

/// A checkpoint: what its pickle describes, and the numbers by their key.
pub struct Checkpoint<'a> {
    pickle: Pickle<'a>,
    storages: BTreeMap<String, &'a [u8]>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl<'a> Checkpoint<'a> {
    /// `what` names the file in errors.
    pub fn read(what: &'static str, data: &'a [u8]) -> Result<Self, Error> {
        if data.starts_with(ARCHIVE) {
            Self::read_archive(what, data)
        } else {
            Self::read_old(what, data)
        }
    }

    fn read_archive(what: &'static str, data: &'a [u8]) -> Result<Self, Error> {
        let wrong = |why: String| Error::Format { what, why };
        let mut archive = ZipArchive::new(io::Cursor::new(data)).map_err(|error| wrong(error.to_string()))?;
        let (mut pickle, mut storages) = (None, BTreeMap::new());
        for at in 0..archive.len() {
            let file = archive.by_index_raw(at).map_err(|error| wrong(error.to_string()))?;
            let name = file.name().map_err(|error| wrong(error.to_string()))?;
            // The numbers are used where they lie.
            if file.compression() != CompressionMethod::Stored {
                return Err(wrong(format!("`{name}` in it is compressed")));
            }
            let length = usize::try_from(file.size()).unwrap_or(usize::MAX);
            let start = file
                .data_start()
                .ok_or_else(|| wrong(format!("`{name}` in it has no place")))?;
            let bytes = Cursor::new(what, data).slice(start, length)?;
            if name.ends_with(PICKLE) {
                pickle = Some(Pickle::read(what, &mut Cursor::new(what, bytes))?);
            } else if let Some((_, key)) = name.split_once(NUMBERS) {
                storages.insert(key.to_owned(), bytes);
            }
        }
        let pickle = pickle.ok_or_else(|| wrong(format!("the archive has no `*{PICKLE}`")))?;
        Ok(Self { pickle, storages })
    }

    fn read_old(what: &'static str, data: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(what, data);
        for expected in [MARK, VERSION] {
            if cursor.take(expected.len())? != expected {
                return Err(Error::Format {
                    what,
                    why: "it is no checkpoint of PyTorch".into(),
                });
            }
        }
        Pickle::read(what, &mut cursor)?;
        let pickle = Pickle::read(what, &mut cursor)?;
        let keys = Pickle::read(what, &mut cursor)?;
        let widths = pickle.widths()?;
        let mut storages = BTreeMap::new();
        let Object::List(listed) = &keys.objects[keys.root] else {
            return Err(keys.wrong("the keys of its numbers are no list"));
        };
        for key in listed {
            let key = keys.text(*key)?;
            let width = widths.get(key).copied();
            let width = width.ok_or_else(|| pickle.wrong(&format!("no tensor has the numbers `{key}`")))?;
            let length = usize::try_from(cursor.u64()?).ok().and_then(|n| n.checked_mul(width));
            storages.insert(key.to_owned(), cursor.take(length.unwrap_or(usize::MAX))?);
        }
        Ok(Self { pickle, storages })
    }

    /// Tensors of 32-bit numbers out of the dictionary `group`, each of the shape that is expected.
    pub fn tensors(&self, group: &str, expected: Vec<(String, Vec<usize>)>) -> Result<Vec<(String, Tensor)>, Error> {
        let tensors = expected.into_iter().map(|(name, shape)| {
            let tensor = self.tensor(group, &name)?;
            if tensor.shape == shape {
                return Ok((name, tensor));
            }
            Err(Error::Tensor {
                what: self.pickle.what,
                name,
                why: format!("has the shape {:?} instead of {shape:?}", tensor.shape),
            })
        });
        tensors.collect()
    }

    /// A tensor of 32-bit numbers out of the dictionary `group`.
    pub fn tensor(&self, group: &str, name: &str) -> Result<Tensor, Error> {
        let pickle = &self.pickle;
        let wrong = |why: &str| Error::Tensor {
            what: pickle.what,
            name: name.into(),
            why: why.into(),
        };
        let group = pickle.entry(pickle.root, group).ok_or_else(|| wrong("is missing"))?;
        let tensor = pickle.entry(group, name).ok_or_else(|| wrong("is missing"))?;
        // Storage, offset, shape, strides, and what training wants of it.
        let arguments = pickle.call(tensor, "torch._utils", "_rebuild_tensor_v2");
        let Some(&[storage, offset, shape, strides, ..]) = arguments else {
            return Err(wrong("is no tensor"));
        };
        let (kind, key) = pickle.storage(storage)?;
        if kind != "FloatStorage" {
            return Err(wrong(&format!("is of `{kind}` where 32-bit numbers are expected")));
        }
        let (shape, strides) = (pickle.numbers(shape)?, pickle.numbers(strides)?);
        let mut length = 1_usize;
        for (size, stride) in shape.iter().zip(&strides).rev() {
            if *stride != length {
                return Err(wrong("has numbers that do not lie row by row"));
            }
            length = length.checked_mul(*size).ok_or_else(|| wrong("is too large"))?;
        }
        let offset = pickle.number(offset)?;
        let bytes = offset
            .checked_mul(4)
            .zip(offset.checked_add(length).and_then(|end| end.checked_mul(4)));
        let bytes = bytes.and_then(|(start, end)| self.storages.get(key)?.get(start..end));
        let bytes = bytes.filter(|_| strides.len() == shape.len());
        let values = f32s(bytes.ok_or_else(|| wrong("lies outside its numbers"))?).collect();
        Ok(Tensor { shape, values })
    }
}

/// Names and shapes of the tensors of an LSTM layer.
pub fn lstm(layer: &str, inputs: usize, width: usize) -> [(String, Vec<usize>); 4] {
    let gates = 4 * width;
    [
        (format!("lstm.weight_ih_l{layer}"), vec![gates, inputs]),
        (format!("lstm.weight_hh_l{layer}"), vec![gates, width]),
        (format!("lstm.bias_ih_l{layer}"), vec![gates]),
        (format!("lstm.bias_hh_l{layer}"), vec![gates]),
    ]
}

/// Tensors in the format of safetensors. `what` names the file that they come from.
pub fn write(what: &'static str, tensors: &[(String, Tensor)]) -> Result<Vec<u8>, Error> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let written = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None));
    written.map_err(|cause| Error::Format {
        what,
        why: cause.to_string(),
    })
}

impl<'a> Pickle<'a> {
    fn read(what: &'static str, cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let mut machine = Machine {
            pickle: Self {
                what,
                objects: Vec::new(),
                root: 0,
            },
            stack: Vec::new(),
            marks: Vec::new(),
            memory: HashMap::new(),
        };
        while machine.step(cursor)? {}
        let Machine { mut pickle, stack, .. } = machine;
        pickle.root = *stack.last().ok_or_else(|| pickle.wrong("a pickle is empty"))?;
        Ok(pickle)
    }

    fn wrong(&self, why: &str) -> Error {
        Error::Format {
            what: self.what,
            why: why.into(),
        }
    }

    fn text(&self, at: Place) -> Result<&'a str, Error> {
        match self.objects[at] {
            Object::Text(text) => Ok(text),
            _ => Err(self.wrong("a name is no text")),
        }
    }

    fn number(&self, at: Place) -> Result<usize, Error> {
        match self.objects[at] {
            Object::Number(number) => Ok(number),
            _ => Err(self.wrong("a size is no number")),
        }
    }

    fn numbers(&self, at: Place) -> Result<Vec<usize>, Error> {
        match &self.objects[at] {
            Object::Tuple(parts) => parts.iter().map(|part| self.number(*part)).collect(),
            _ => Err(self.wrong("a shape is no list of sizes")),
        }
    }

    /// What a dictionary has under `key`.
    fn entry(&self, at: Place, key: &str) -> Option<Place> {
        let Object::Dictionary(entries) = &self.objects[at] else {
            return None;
        };
        let is_key = |at: Place| matches!(self.objects[at], Object::Text(text) if text == key);
        entries.iter().find(|(at, _)| is_key(*at)).map(|(_, value)| *value)
    }

    /// What a function of this name is called with.
    fn call(&self, at: Place, of: &str, called: &str) -> Option<&[Place]> {
        let Object::Call { function, arguments } = self.objects[at] else {
            return None;
        };
        match (&self.objects[function], &self.objects[arguments]) {
            (Object::Class { module, name }, Object::Tuple(arguments)) if *module == of && *name == called => {
                Some(arguments)
            }
            _ => None,
        }
    }

    /// Kind and key of a storage.
    fn storage(&self, at: Place) -> Result<(&'a str, &'a str), Error> {
        if let Object::Storage(of) = self.objects[at]
            && let Object::Tuple(parts) = &self.objects[of]
            && let [_, class, key, ..] = parts.as_slice()
            && let Object::Class { module: "torch", name } = self.objects[*class]
        {
            return Ok((name, self.text(*key)?));
        }
        Err(self.wrong("a tensor has no numbers"))
    }

    /// Bytes of one number of each storage, by its key.
    fn widths(&self) -> Result<BTreeMap<&'a str, usize>, Error> {
        let mut widths = BTreeMap::new();
        for (at, object) in self.objects.iter().enumerate() {
            if !matches!(object, Object::Storage(_)) {
                continue;
            }
            let (kind, key) = self.storage(at)?;
            let width = match kind {
                "ByteStorage" | "CharStorage" | "BoolStorage" => 1,
                "HalfStorage" | "ShortStorage" => 2,
                "FloatStorage" | "IntStorage" => 4,
                "DoubleStorage" | "LongStorage" => 8,
                _ => return Err(self.wrong(&format!("`{kind}` is unknown"))),
            };
            widths.insert(key, width);
        }
        Ok(widths)
    }
}

/// Builds the objects of a pickle.
struct Machine<'a> {
    pickle: Pickle<'a>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memory: HashMap<u32, Place>,
}

impl<'a> Machine<'a> {
    /// Takes one step; false where the pickle ends.
    fn step(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, Error> {
        let step = cursor.u8()?;
        match step {
            b'.' => return Ok(false),
            0x80 => {
                cursor.u8()?;
            }
            b'N' | 0x88 | 0x89 => self.push(Object::Other)?,
            b'K' => self.push_number(u64::from(cursor.u8()?))?,
            b'M' => self.push_number(u64::from(cursor.u16()?))?,
            b'J' => match cursor.u32()? {
                number if number > i32::MAX as u32 => self.push(Object::Other)?,
                number => self.push_number(u64::from(number))?,
            },
            b'G' => {
                cursor.u64()?;
                self.push(Object::Other)?;
            }
            0x8a => {
                let length = cursor.u8()?;
                cursor.take(usize::from(length))?;
                self.push(Object::Other)?;
            }
            b'X' => {
                let length = cursor.count()?;
                let text = cursor.text(length)?;
                self.push(Object::Text(text))?;
            }
            b'c' => {
                let (module, name) = (cursor.line()?, cursor.line()?);
                self.push(Object::Class { module, name })?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.push(Object::Tuple(Vec::new()))?,
            b']' => self.push(Object::List(Vec::new()))?,
            b'}' => self.push(Object::Dictionary(Vec::new()))?,
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(step - 0x84));
                let parts = self.stack.split_off(from.ok_or_else(|| self.broken())?);
                self.push(Object::Tuple(parts))?;
            }
            b't' => {
                let parts = self.pop_to_mark()?;
                self.push(Object::Tuple(parts))?;
            }
            b'a' => {
                let part = self.pop()?;
                self.extend(&[part])?;
            }
            b'e' => {
                let parts = self.pop_to_mark()?;
                self.extend(&parts)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.enter(&[key, value])?;
            }
            b'u' => {
                let parts = self.pop_to_mark()?;
                self.enter(&parts)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let ordered = matches!(
                    self.pickle.objects[function],
                    Object::Class {
                        name: "OrderedDict",
                        ..
                    }
                );
                self.push(if ordered {
                    Object::Dictionary(Vec::new())
                } else {
                    Object::Call { function, arguments }
                })?;
            }
            // An object of a class whose description is not asked.
            0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.push(Object::Call { function, arguments })?;
            }
            // More about the object below, which is not asked.
            b'b' => {
                self.pop()?;
            }
            b'Q' => {
                let of = self.pop()?;
                self.push(Object::Storage(of))?;
            }
            b'q' => {
                let key = u32::from(cursor.u8()?);
                self.remember(key)?;
            }
            b'r' => {
                let key = cursor.u32()?;
                self.remember(key)?;
            }
            b'h' => {
                let key = u32::from(cursor.u8()?);
                self.recall(key)?;
            }
            b'j' => {
                let key = cursor.u32()?;
                self.recall(key)?;
            }
            _ => return Err(self.pickle.wrong(&format!("a pickle has the unknown step {step:#04x}"))),
        }
        Ok(true)
    }

    fn broken(&self) -> Error {
        self.pickle.wrong("a pickle takes more than it has")
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), Error> {
        if self.pickle.objects.len() >= MOST_OBJECTS {
            return Err(self
                .pickle
                .wrong(&format!("a pickle has more than {MOST_OBJECTS} objects")));
        }
        self.stack.push(self.pickle.objects.len());
        self.pickle.objects.push(object);
        Ok(())
    }

    fn push_number(&mut self, number: u64) -> Result<(), Error> {
        self.push(usize::try_from(number).map_or(Object::Other, Object::Number))
    }

    fn pop(&mut self) -> Result<Place, Error> {
        self.stack.pop().ok_or_else(|| self.broken())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Place>, Error> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(|| self.broken())?))
    }

    fn extend(&mut self, parts: &[Place]) -> Result<(), Error> {
        let list = *self.stack.last().ok_or_else(|| self.broken())?;
        match &mut self.pickle.objects[list] {
            Object::List(list) => list.extend(parts),
            _ => return Err(self.broken()),
        }
        Ok(())
    }

    fn enter(&mut self, parts: &[Place]) -> Result<(), Error> {
        let dictionary = *self.stack.last().ok_or_else(|| self.broken())?;
        let (pairs, rest) = parts.as_chunks::<2>();
        match &mut self.pickle.objects[dictionary] {
            Object::Dictionary(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)))
            }
            _ => return Err(self.broken()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), Error> {
        let top = *self.stack.last().ok_or_else(|| self.broken())?;
        self.memory.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Error> {
        let place = *self.memory.get(&key).ok_or_else(|| self.broken())?;
        if self.stack.len() >= MOST_OBJECTS {
            return Err(self.broken());
        }
        self.stack.push(place);
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A checkpoint with `model_state` of one tensor, 2 × 3, which begins at the second of its numbers.
    pub fn checkpoint() -> Vec<u8> {
        let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let mut file = [MARK, VERSION, b"\x80\x02}."].concat();
        file.extend(b"\x80\x02}q\x00(");
        file.extend(text("model_state"));
        file.extend(b"ccollections\nOrderedDict\n)R(");
        file.extend(text("linear.weight"));
        file.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        file.extend(text("storage"));
        file.extend(b"ctorch\nFloatStorage\n");
        file.extend(text("17"));
        file.extend(text("cpu"));
        file.extend(b"K\x07NtQK\x01K\x02K\x03\x86K\x03K\x01\x86\x89NtRuu.");
        file.extend(b"\x80\x02](");
        file.extend(text("17"));
        file.extend(b"e.");
        file.extend(7_u64.to_le_bytes());
        file.extend((0..7_u8).flat_map(|n| f32::from(n).to_le_bytes()));
        file
    }

    /// The same in an archive, stored or compressed.
    fn archive(method: CompressionMethod) -> Vec<u8> {
        let old = checkpoint();
        let from = MARK.len() + VERSION.len() + b"\x80\x02}.".len();
        let end = old
            .windows(2)
            .skip(from)
            .position(|pair| pair == b"u.")
            .expect("an end")
            + from
            + 2;
        let mut file = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let numbers = &old[old.len() - 28..];
        for (name, bytes) in [
            ("a/data.pkl", &old[from..end]),
            ("a/data/17", numbers),
            ("a/version", b"3"),
        ] {
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            file.start_file(name, options).expect("begun");
            io::Write::write_all(&mut file, bytes).expect("written");
        }
        file.finish().expect("an archive").into_inner()
    }

    #[test]
    fn tensors_are_found_by_their_names() {
        let expected = Tensor {
            shape: vec![2, 3],
            values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        };
        for file in [checkpoint(), archive(CompressionMethod::Stored)] {
            let checkpoint = Checkpoint::read("a.pt", &file).expect("read");
            assert_eq!(
                checkpoint.tensor("model_state", "linear.weight").as_ref(),
                Ok(&expected)
            );
        }
        let file = checkpoint();
        let checkpoint = Checkpoint::read("a.pt", &file).expect("read");
        let error = checkpoint.tensor("model_state", "linear.bias").unwrap_err();
        assert_eq!(error.to_string(), "a.pt: tensor `linear.bias` is missing");
    }

    #[test]
    fn other_files_are_refused() {
        let why = |bytes: &[u8]| {
            Checkpoint::read("a.pt", bytes)
                .err()
                .expect("no checkpoint")
                .to_string()
        };
        assert_eq!(
            why(b"GGUF and what follows as far as the marks go"),
            "a.pt is not of the expected format: it is no checkpoint of PyTorch"
        );
        assert!(why(b"PK\x03\x04 and what follows").contains("a.pt is not of the expected format"));
        let compressed = why(&archive(CompressionMethod::Deflated));
        assert!(compressed.contains("`a/data.pkl` in it is compressed"), "{compressed}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn damaged_checkpoints_never_panic(new in any::<bool>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
            let mut file = if new { archive(CompressionMethod::Stored) } else { checkpoint() };
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            let cut = cut.index(2 * file.len());
            file.truncate(cut.max(MARK.len() + VERSION.len()));
            if let Ok(checkpoint) = Checkpoint::read("a.pt", &file) {
                let _ = checkpoint.tensor("model_state", "linear.weight");
            }
        }

        #[test]
        fn steps_without_sense_never_panic(steps in prop::collection::vec(prop::sample::select(b"\x80N\x88KMJG\x8a\x81Xc\n()]}\x85\x86\x87taesuRbQqrhj.\x00\x01".as_slice()), 0..200)) {
            let file = [MARK, VERSION, &steps].concat();
            let _ = Checkpoint::read("a.pt", &file);
        }
    }
}
