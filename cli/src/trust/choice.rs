//! Which faults are judged, and in which order.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use thiserror::Error;
use winconform_harness::cluster::{Taint, TaintError};
use winconform_testbed::fault::{Fault, FaultError, catalogue};

/// The faults that were asked for cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A folder cannot be read.
    #[error("the folder `{}` could not be read", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A folder holds no fault.
    #[error("the folder `{}` holds no fault: no file in it ends with .yaml or .yml", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Two faults have one name.
    #[error("two faults are called `{name}`; a report could not tell them apart")]
    Twice {
        /// The name.
        name: String,
    },
    /// git does not say what changed.
    #[error("git does not say what changed since `{revision}`: {said}")]
    Git {
        /// The revision.
        revision: String,
        /// What it said.
        said: String,
    },
    /// A fault asks for a run that cannot be made.
    #[error("the `run` of the fault `{fault}` cannot be had")]
    Run {
        /// The fault's name.
        fault: String,
        /// Why not.
        #[source]
        error: TaintError,
    },
    /// A fault file is no good.
    #[error(transparent)]
    Fault(#[from] FaultError),
}

/// The faults that the words name: by name or id, by file, by folder; all that ship when there is none.
///
/// # Errors
///
/// When a word names nothing, or a file is no good.
pub(super) fn named(words: &[String]) -> Result<Vec<Fault>, TrustError> {
    let mut faults = Vec::new();
    for word in words {
        let path = Path::new(word);
        if path.is_dir() {
            faults.extend(in_folder(path)?);
        } else {
            faults.push(Fault::find(word)?);
        }
    }
    if words.is_empty() {
        faults = catalogue::names().map(catalogue::get).collect::<Result<_, _>>()?;
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = faults.iter().find(|fault| !names.insert(&fault.name)) {
        return Err(TrustError::Twice { name: twice.name.clone() });
    }
    for fault in &faults {
        expected_taint(fault)?;
    }
    Ok(faults)
}

/// The taint that a run against the fault expects, where the fault's file names one.
///
/// # Errors
///
/// When what it names is no taint.
pub(super) fn expected_taint(fault: &Fault) -> Result<Option<Taint>, TrustError> {
    let taint = fault.run.as_ref().and_then(|run| run.expect_taint.as_ref());
    let taint = taint.map(|taint| taint.parse()).transpose();
    taint.map_err(|error| TrustError::Run { fault: fault.name.clone(), error })
}

fn in_folder(path: &Path) -> Result<Vec<Fault>, TrustError> {
    let failed = |error| TrustError::Folder { path: path.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(TrustError::Empty { path: path.to_owned() });
    }
    Ok(files.iter().map(|file| Fault::read(file)).collect::<Result<_, _>>()?)
}

/// Puts the faults into the order that the seed gives.
pub(super) fn shuffle(faults: &mut [Fault], seed: u64) {
    faults.sort_by_cached_key(|fault| mix(seed, &fault.name));
}

/// A number that looks random and follows from the seed and the name (FNV-1a, then SplitMix64's finisher).
fn mix(seed: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let z = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The files that differ from a revision, by their paths in the repository.
///
/// # Errors
///
/// When git does not say.
pub(super) fn changed_since(revision: &str) -> Result<Vec<String>, TrustError> {
    let failed = |said: String| TrustError::Git { revision: revision.to_owned(), said };
    let output = Command::new("git")
        .args(["diff", "--name-only", "--end-of-options", revision, "--"])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Whether a change to these files can change what the fault comes to.
pub(super) fn is_touched(fault: &Fault, changed: &[String]) -> bool {
    let expect = fault.expect.as_ref();
    let checks: Vec<&String> = expect.iter().flat_map(|expect| expect.must.iter().chain(&expect.may)).collect();
    changed.iter().any(|path| {
        if let Some(file) = path.strip_prefix("testbed/faults/") {
            return file.strip_suffix(".yaml") == Some(fault.name.as_str());
        }
        if let Some(rest) = path.strip_prefix("suites/src/") {
            let stem = rest.trim_end_matches(".rs").replace('_', "-");
            let (suite, file) = stem.split_once('/').unwrap_or((&stem, ""));
            // A suite's helpers concern all its checks.
            let suite_wide = |check: &str| check.split('/').next() == Some(suite);
            let named =
                |check: &str| suite_wide(check) && (check.ends_with('*') || check.ends_with(&format!("/{file}")));
            let is_check = winconform_suites::all().iter().any(|check| check.id == format!("{suite}/{file}"));
            return checks.iter().any(|check| if is_check { named(check) } else { suite_wide(check) });
        }
        if let Some(rule) = path.strip_prefix("reports/src/explain/") {
            let layer = expect
                .and_then(|expect| expect.finding.as_ref())
                .map(|finding| finding.layer.as_words().to_lowercase());
            let rule = rule.trim_end_matches(".rs").replace('_', " ");
            return layer.is_none_or(|layer| layer == rule || !is_layer(&rule));
        }
        ["testbed/src/", "harness/src/", "reports/src/explain.rs", "manifests/", "cli/src/trust"]
            .iter()
            .any(|everything| path.starts_with(everything))
    })
}

/// Whether a file of the explanations is about one layer.
fn is_layer(rule: &str) -> bool {
    ["node", "scheduling", "admission", "image", "runtime", "user", "pod network", "service ip", "dns", "node port"]
        .contains(&rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_follows_from_the_seed() {
        let order = |seed| {
            let mut faults = named(&[]).unwrap();
            shuffle(&mut faults, seed);
            faults.into_iter().map(|fault| fault.name).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let sorted = order(1).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(sorted.len(), catalogue::names().count());
    }

    #[test]
    fn faults_are_named_by_id_by_file_and_by_folder_but_only_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.yaml"), catalogue::yaml("svc-09-no-hairpin").unwrap()).unwrap();
        let path = folder.path().display().to_string();
        assert_eq!(named(std::slice::from_ref(&path)).unwrap().len(), 1);
        assert_eq!(named(&["svc-09".into(), "net-05".into()]).unwrap().len(), 2);
        assert!(matches!(named(&["svc-09".into(), path]), Err(TrustError::Twice { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(named(&[empty.path().display().to_string()]), Err(TrustError::Empty { .. })));
        fs::write(folder.path().join("broken.yaml"), "kind: Fault").unwrap();
        assert!(matches!(named(&[folder.path().display().to_string()]), Err(TrustError::Fault(_))));
    }

    #[test]
    fn a_change_touches_the_faults_that_it_can_concern() {
        let of = |path: &str| {
            let changed = [path.to_owned()];
            let faults = named(&[]).unwrap().into_iter().filter(|fault| is_touched(fault, &changed));
            faults.map(|fault| fault.name).collect::<Vec<_>>()
        };
        assert_eq!(of("testbed/faults/svc-09-no-hairpin.yaml"), ["svc-09-no-hairpin"]);
        assert!(of("suites/src/nodes/windows_build_label.rs").contains(&"node-10-stale-build-label".to_owned()));
        assert!(!of("suites/src/nodes/windows_build_label.rs").contains(&"svc-09-no-hairpin".to_owned()));
        assert!(of("reports/src/explain/node.rs").contains(&"node-01-frozen".to_owned()));
        assert!(!of("reports/src/explain/node.rs").contains(&"svc-09-no-hairpin".to_owned()));
        assert_eq!(of("testbed/src/network.rs").len(), catalogue::names().count());
        assert!(of("README.md").is_empty());
    }
}
