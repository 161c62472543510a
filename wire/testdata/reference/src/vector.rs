//! The file format of the vectors, as Lanecast's design defines it, with our additions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fs, io::Write as _, path::Path};

pub type Fields = Map<String, Value>;

/// A file of cases.
#[derive(Serialize, Deserialize)]
pub struct File {
    pub source: String,
    pub cases: Vec<Case>,
}

/// One validator of a set.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Validator {
    pub identity: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public: String,
    /// Proof of possession of a multisig key, under the namespace of the case.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

/// One encoding and the answers to it. `decode` and `verify` are the answers that Lanecast must
/// give. Upstream's code gave the same ones, unless `difference` gives a reason; then the
/// `upstream_` keys hold upstream's answers.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Case {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scheme: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Validator>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group_public: String,
    pub encoded: String,
    pub decode: String,
    pub verify: Option<bool>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Fields,
    /// `error`: every proper prefix of `encoded` is refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cuts: String,
    /// Upstream's reason for refusing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream_error: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream_decode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_verify: Option<bool>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub difference: String,
}

/// Writes one case per line, so that files can be compared line by line.
pub fn write(path: &Path, source: &str, cases: &[Case]) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut out = Vec::new();
    writeln!(out, "{{\"source\": {}, \"cases\": [", Value::from(source)).map_err(io)?;
    for (i, case) in cases.iter().enumerate() {
        serde_json::to_writer(&mut out, case).map_err(|e| e.to_string())?;
        out.extend_from_slice(if i + 1 < cases.len() { b",\n" } else { b"\n" });
    }
    out.extend_from_slice(b"]}\n");
    fs::write(path, out).map_err(io)
}

pub fn read(path: &Path) -> Result<File, String> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// An integer; a string if it is too large for readers that hold numbers as floating point.
pub fn integer(v: u64) -> Value {
    if v < 1 << 53 {
        Value::from(v)
    } else {
        Value::from(v.to_string())
    }
}
