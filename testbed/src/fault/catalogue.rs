//! The faults that ship with the crate: incidents that operators of Windows nodes reported.

use super::{Fault, FaultError, load::nearest};

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../faults/", $name, ".yaml"))),)*]
    };
}

/// Name and YAML of each, in the order of their names.
const SHIPPED: &[(&str, &str)] = shipped![
];

/// The names of all faults of the catalogue, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The fault of that name, or with that id (`svc-01` for `svc-01-cluster-dns-address-dead`).
///
/// # Errors
///
/// When there is none; the message names the closest.
pub fn get(name: &str) -> Result<Fault, FaultError> {
    let Some((known, yaml)) = SHIPPED.iter().find(|(known, _)| *known == name || id(known) == name) else {
        return Err(FaultError::Unknown { name: name.to_owned(), similar: nearest(name, names()) });
    };
    Fault::parse(yaml, known)
}

/// The YAML of the fault of that name, as it ships.
#[must_use]
pub fn yaml(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, yaml)| *yaml)
}

/// The catalogue id at the start of a name: `svc-01`.
fn id(name: &str) -> &str {
    let end = name.match_indices('-').nth(1).map_or(name.len(), |(at, _)| at);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_in_the_folder_ships_and_nothing_else() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/faults");
        let on_disk: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|file| file.strip_suffix(".yaml").expect("only YAML").to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(names().collect::<Vec<_>>(), on_disk, "in the order of names");
    }

    #[test]
    fn every_shipped_fault_loads_under_its_own_name_and_names_its_source() {
        for name in names() {
            let fault = get(name).unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
            assert_eq!(fault.name, name);
            assert!(!fault.source.is_empty(), "{name} names no source");
            let expect = fault.expect.unwrap_or_else(|| panic!("{name} expects nothing"));
            assert!(!expect.must.is_empty() || expect.verdict != super::super::ExpectedVerdict::Red, "{name}");
            assert!(fault.summary.ends_with('.'), "{name}: a summary is a sentence");
        }
    }

    #[test]
    fn ids_are_unique_and_name_their_fault() {
        let ids: BTreeSet<_> = names().map(id).collect();
        assert_eq!(ids.len(), names().count());
        for id in ids {
            assert!(get(id).unwrap().name.starts_with(id));
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_right_one() {
        let Some(first) = names().next() else { return };
        let said = get(&first[..first.len() - 1]).unwrap_err().to_string();
        assert!(said.contains(&format!("did you mean `{first}`")), "{said}");
    }
}
