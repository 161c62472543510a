//! Checks vectors from other implementations with upstream's code.

use crate::{
    ecdsa,
    oracle::{Answer, Kind, Oracle},
    suite::{Ed25519, Multisig, Secp256r1, Suite, Threshold},
    vector::{self, Case, Fields},
};
use commonware_cryptography::bls12381::primitives::variant::{MinPk, MinSig};
use commonware_utils::from_hex;
use serde_json::Value;
use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

#[derive(Default)]
struct Checker {
    /// Oracles by their validator set: reading a set takes longer than a case.
    oracles: HashMap<String, Box<dyn Any>>,
    /// Numbers of cases refused, verified, not verified, and without anything to verify; by scheme
    /// and type.
    counts: BTreeMap<(String, String), [usize; 4]>,
    without_keys: usize,
    disagreements: usize,
}

/// Checks every file of a folder, prints the number of cases that upstream agrees with, and returns
/// the number of the others.
pub fn folder(dir: &Path) -> Result<usize, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
    paths.sort();
    if paths.is_empty() {
        return Err(format!("no vectors in {}", dir.display()));
    }
    let mut c = Checker::default();
    for path in &paths {
        let file = vector::read(path)?;
        if file.cases.is_empty() {
            return Err(format!("{} has no cases", path.display()));
        }
        for case in &file.cases {
            if let Err(e) = c.case(case) {
                c.disagreements += 1;
                println!("{}: {}: {e}", path.display(), case.name);
            }
        }
    }
    let line = |name: &str, kind: &str, n: &[usize; 4]| {
        let [refused, verified, not, nothing] = n;
        println!("{name:<26} {kind:<9} {refused:>8} {verified:>9} {not:>13} {nothing:>18}");
    };
    println!(
        "{:<26} {:<9} {:>8} {:>9} {:>13} {:>18}",
        "scheme", "type", "refused", "verified", "not verified", "nothing to verify"
    );
    let mut total = [0; 4];
    for ((scheme, kind), n) in &c.counts {
        line(scheme, kind, n);
        total.iter_mut().zip(n).for_each(|(t, n)| *t += n);
    }
    line("all", "", &total);
    println!(
        "{} files: upstream agrees on {} cases and disagrees on {}; {} left out because their sets have no keys",
        paths.len(),
        total.iter().sum::<usize>(),
        c.disagreements,
        c.without_keys
    );
    Ok(c.disagreements)
}

impl Checker {
    fn case(&mut self, case: &Case) -> Result<(), String> {
        if case.kind == ecdsa::KEY {
            let b = from_hex(&case.encoded).ok_or("encoded is not hexadecimal")?;
            let want = if case.difference.is_empty() { &case.decode } else { &case.upstream_decode };
            let got = ecdsa::decode(&b).map_or("error", |_| "ok");
            if got != want {
                return Err(format!("upstream: {got}"));
            }
            let outcome = if got == "ok" { 3 } else { 0 };
            self.counts.entry((case.scheme.clone(), case.kind.clone())).or_default()[outcome] += 1;
            return Ok(());
        }
        let kind = Kind::named(&case.kind).ok_or_else(|| format!("unknown type {}", case.kind))?;
        // Hand-made cases about the encoding alone: upstream has no set without keys.
        if case.participants.iter().any(|p| p.public.is_empty()) {
            self.without_keys += 1;
            return Ok(());
        }
        match (case.scheme.as_str(), case.variant.as_str()) {
            ("bls12381-multisig", "minsig") => self.with::<Multisig<MinSig>>(kind, case),
            ("bls12381-multisig", "minpk") => self.with::<Multisig<MinPk>>(kind, case),
            ("bls12381-threshold", "minsig") => self.with::<Threshold<MinSig>>(kind, case),
            ("bls12381-threshold", "minpk") => self.with::<Threshold<MinPk>>(kind, case),
            ("secp256r1", _) => self.with::<Secp256r1>(kind, case),
            // No scheme: chunks, proposals and tips, which any scheme decodes.
            ("ed25519" | "", _) => self.with::<Ed25519>(kind, case),
            (scheme, variant) => Err(format!("unknown scheme {scheme:?}, variant {variant:?}")),
        }
    }

    fn with<S: Suite + 'static>(&mut self, kind: Kind, case: &Case) -> Result<(), String> {
        let about = serde_json::to_string(&(
            &case.scheme,
            &case.variant,
            &case.namespace,
            &case.participants,
            &case.group_public,
        ))
        .map_err(|e| e.to_string())?;
        if !self.oracles.contains_key(&about) {
            let namespace = from_hex(&case.namespace).ok_or("namespace is not hexadecimal")?;
            let scheme = S::read(&namespace, &case.participants, &case.group_public)?;
            self.oracles.insert(about.clone(), Box::new(Oracle::<S>::new(&namespace, scheme)));
        }
        let oracle = self.oracles[&about].downcast_ref::<Oracle<S>>().expect("one type per set");

        let b = from_hex(&case.encoded).ok_or("encoded is not hexadecimal")?;
        let (decode, verify) = match case.difference.is_empty() {
            true => (&case.decode, case.verify),
            false => (&case.upstream_decode, case.upstream_verify),
        };
        let outcome = match oracle.ask(kind, &b) {
            Answer::Refused(why) => {
                if decode != "error" {
                    return Err(format!("upstream refuses it: {why}"));
                }
                0
            }
            Answer::Decoded { fields, verified, encoded } => {
                if decode != "ok" {
                    return Err("upstream decodes it".into());
                }
                if verify.is_some() && verified != verify {
                    return Err(format!("upstream verified {verified:?}, not {verify:?}"));
                }
                if case.difference.is_empty() && encoded != b {
                    return Err(format!("upstream encodes it as {}", commonware_utils::hex(&encoded)));
                }
                compare("", &fields, &case.fields)?;
                match verified {
                    Some(true) => 1,
                    Some(false) => 2,
                    None => 3,
                }
            }
        };
        if case.cuts == "error" {
            if let Some(i) = (0..b.len()).find(|&i| oracle.decodes(kind, &b[..i])) {
                return Err(format!("upstream decodes its first {i} bytes"));
            }
        }
        let scheme = match case.scheme.as_str() {
            "" => "none".to_string(),
            s => format!("{s} {}", case.variant).trim_end().to_string(),
        };
        self.counts.entry((scheme, case.kind.clone())).or_default()[outcome] += 1;
        Ok(())
    }
}

/// Compares the fields of a vector with those that upstream decoded. A vector may have fewer.
fn compare(at: &str, got: &Fields, want: &Fields) -> Result<(), String> {
    for (name, wanted) in want {
        match (got.get(name), wanted) {
            (None, Value::Array(none)) if none.is_empty() => {}
            (None, _) => return Err(format!("{at}{name}: no such field")),
            (Some(Value::Object(g)), Value::Object(w)) => compare(&format!("{at}{name}."), g, w)?,
            (Some(g), w) if text(g) == text(w) => {}
            (Some(g), w) => return Err(format!("{at}{name}: upstream has {g}, the vector {w}")),
        }
    }
    Ok(())
}

/// Numbers may be written as strings, hexadecimal in either case.
fn text(v: &Value) -> String {
    match v {
        Value::String(s) => s.to_lowercase(),
        Value::Array(a) => a.iter().map(text).collect::<Vec<_>>().join(","),
        _ => v.to_string(),
    }
}
