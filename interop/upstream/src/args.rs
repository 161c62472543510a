//! Command lines: a command, `--name value` pairs, and files.

use std::{collections::HashMap, env};

pub struct Args {
    pub command: String,
    pub files: Vec<String>,
    values: HashMap<String, String>,
}

impl Args {
    /// Reads the command line. Names that are not in `known` are an error.
    pub fn read(known: &[&str]) -> Result<Self, String> {
        let mut rest = env::args().skip(1);
        let command = rest.next().unwrap_or_default();
        let (mut files, mut values) = (Vec::new(), HashMap::new());
        while let Some(arg) = rest.next() {
            match arg.strip_prefix("--") {
                Some(name) if known.contains(&name) => {
                    values
                        .insert(name.to_string(), rest.next().ok_or_else(|| format!("{arg} needs a value"))?);
                }
                Some(_) => return Err(format!("unknown argument {arg}")),
                None => files.push(arg),
            }
        }
        Ok(Self { command, files, values })
    }

    pub fn text(&self, name: &str) -> Result<String, String> {
        self.values.get(name).cloned().ok_or_else(|| format!("--{name} is missing"))
    }

    pub fn text_or(&self, name: &str, default: &str) -> String {
        self.values.get(name).cloned().unwrap_or_else(|| default.to_string())
    }

    pub fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        self.values.get(name).map_or(Ok(default), |v| v.parse().map_err(|e| format!("--{name} {v}: {e}")))
    }

    /// A number from 0 to less than 1, 0 by default.
    pub fn fraction(&self, name: &str) -> Result<f64, String> {
        let Some(v) = self.values.get(name) else { return Ok(0.0) };
        v.parse()
            .ok()
            .filter(|f| (0.0..1.0).contains(f))
            .ok_or_else(|| format!("--{name} must be from 0 to less than 1, got {v}"))
    }
}
