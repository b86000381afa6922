//! What the documents tell people to type is what the command understands.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use winconform::Arguments;

use crate::command::root;

/// Every Markdown file for people.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root().to_owned(), root().join("docs"), root().join("docs/decisions")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    found.sort();
    found
}

/// The commands in a document's `sh` blocks, a line each, without comments.
fn commands(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => in_block = true,
            "```" => in_block = false,
            line if in_block && !line.is_empty() && !line.starts_with('#') => {
                let command = line.split(" #").next().unwrap_or_default();
                // What a pipe leads to is another program.
                commands.push(command.split(" | ").next().unwrap_or_default().trim().to_owned());
            }
            _ => {}
        }
    }
    commands
}

#[test]
fn every_winconform_command_in_the_documents_is_understood() {
    let mut understood = 0;
    for document in documents() {
        for line in commands(&document) {
            let words = line.replace("cargo run --release -- ", "winconform ");
            let words: Vec<&str> = words
                .split_whitespace()
                .skip_while(|word| word.contains('=') || *word == "eval" || *word == "time")
                .map(|word| word.trim_matches(['"', '\'', '$', '(', ')']))
                .collect();
            if words.first() != Some(&"winconform") {
                continue;
            }
            if let Err(error) = Arguments::try_parse_from(&words) {
                let shown = matches!(
                    error.kind(),
                    clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
                );
                assert!(shown, "{}: `{line}`: {error}", document.display());
            }
            understood += 1;
        }
    }
    assert!(understood > 10, "only {understood} commands were found");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{} links to {path}", document.display());
        }
    }
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let commands = commands(&root().join("README.md"));
    assert_eq!(commands[..2], ["cargo run --release -- run --testbed", "cargo test"]);
}
