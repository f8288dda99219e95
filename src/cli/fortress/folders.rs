//! Where the files of jobs are.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Folders {
    /// The trusted input directory of each job, which its agent sees as `/input`.
    pub inputs: PathBuf,
    pub outputs: PathBuf,
    /// For sockets, which live as long as a run.
    pub sockets: PathBuf,
    /// What agents wrote to their standard output and error, of failed runs.
    pub diagnostics: PathBuf,
}

impl Folders {
    pub fn under(data: &Path) -> io::Result<Self> {
        let made = |name: &str| {
            let folder = data.join(name);
            own_folder(&folder).map(|()| folder)
        };
        Ok(Self {
            inputs: made("inputs")?,
            outputs: made("outputs")?,
            sockets: made("s")?,
            diagnostics: made("diagnostics")?,
        })
    }

    pub fn write_input(&self, id: &str, content: &str, system_prompt: &str) -> io::Result<()> {
        let folder = self.inputs.join(id);
        own_folder(&folder)?;
        write(&folder.join("content.txt"), content.as_bytes())?;
        write(&folder.join("system.txt"), system_prompt.as_bytes())
    }

    pub fn remove_input(&self, id: &str) -> io::Result<()> {
        unless_missing(fs::remove_dir_all(self.inputs.join(id)))
    }

    /// All that there is of a job.
    pub fn remove(&self, id: &str) -> io::Result<()> {
        let output = |end: &str| self.outputs.join(format!("{id}.{end}"));
        let files = [
            output("txt"),
            output("manifest.json"),
            output("manifest.json.asc"),
            self.diagnostics.join(id),
        ];
        for file in files {
            unless_missing(fs::remove_file(file))?;
        }
        self.remove_input(id)
    }

    /// Ids of all jobs that have an input here.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.inputs)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }
}

fn own_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whole or not at all, and on the disk when this returns.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_added_extension("partial");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    let folder = path.parent().map(fs::File::open).transpose()?;
    folder.map_or(Ok(()), |folder| folder.sync_all())
}
