//! The machine that the configuration is for: the only place of it that looks at the environment and at files.

use super::dotenv::{self, Variables};
use super::{Report, Surroundings};
use std::io::{self, Read};
use std::path::Path;

/// The most bytes of a file with a secret or a certificate: a device has no end.
const SECRET: usize = 1 << 20;

/// This machine, and what a file `.env` adds to its environment.
#[derive(Clone, Default)]
pub struct Machine {
    variables: Variables,
}

impl Machine {
    /// This machine, with the variables of `.env` in a folder, where there is one.
    ///
    /// # Errors
    /// The file cannot be read, or what is wrong with it.
    pub fn with_dotenv(folder: &Path) -> Result<Self, Report> {
        let path = folder.join(".env");
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                let help = "variables are read from it, because it stands beside the configuration: make it a readable text \
                            file in UTF-8, or move it away";
                return Err(Report::of_file(&name, format!("cannot read {name}: {error}"), vec![help.to_owned()]));
            }
        };
        Ok(Self { variables: dotenv::parse(&name, &text)? })
    }
}

impl Surroundings for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        // whoever starts the program has the last word
        std::env::var(name).ok().or_else(|| self.variables.get(name).cloned())
    }

    fn secret(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
        file.take(SECRET as u64 + 1).read_to_string(&mut text)?;
        match text.len() > SECRET {
            true => Err(io::Error::other("it has more than 1 MiB: that is no password, key or certificate")),
            false => Ok(text),
        }
    }

    fn modules(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn cores(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}
