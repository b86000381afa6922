use super::*;
use std::error::Error as _;

/// The message with its causes, as a person sees it.
fn refused(yaml: &str) -> String {
    let error = Shape::parse(yaml, "mine.yaml").unwrap_err();
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[test]
fn every_shipped_shape_is_a_good_shape_of_its_own_name() {
    for name in Shape::shipped() {
        assert_eq!(Shape::find(name).unwrap().name, name);
    }
}

#[test]
fn the_default_shape_has_three_windows_builds_with_two_equal_nodes_and_two_linux_nodes() {
    let shape = Shape::find(DEFAULT_SHAPE).unwrap();
    let rows: Vec<_> = shape
        .nodes
        .iter()
        .map(|node| {
            let taints: Vec<_> = node.taints.iter().map(|t| format!("{}={}:{}", t.key, t.value, t.effect)).collect();
            format!(
                "{} | {} | {} | {} | {}",
                node.name,
                node.os,
                node.kernel_version(),
                node.os_image(),
                if taints.is_empty() { "-".to_owned() } else { taints.join(",") }
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @"
    win-2022-0 | windows | 10.0.20348.5499 | Windows Server 2022 Datacenter | os=windows:NoSchedule
    win-2022-1 | windows | 10.0.20348.5499 | Windows Server 2022 Datacenter | os=windows:NoSchedule
    win-2025-0 | windows | 10.0.26100.33296 | Windows Server 2025 Datacenter | os=windows:NoSchedule
    win-2019-0 | windows | 10.0.17763.8511 | Windows Server 2019 Datacenter | os=windows:NoSchedule
    linux-0 | linux | 6.8.0-85-generic | Ubuntu 24.04.3 LTS | -
    linux-1 | linux | 6.8.0-85-generic | Ubuntu 24.04.3 LTS | -
    ");
}

#[test]
fn the_windows_build_label_leaves_the_patch_level_out() {
    let shape = Shape::find(DEFAULT_SHAPE).unwrap();
    assert_eq!(shape.nodes[0].windows_build(), Some("10.0.20348"));
    assert_eq!(shape.nodes_of(Os::Linux).next().unwrap().windows_build(), None);
}

#[test]
fn a_shape_that_was_printed_reads_back_the_same() {
    let shape = Shape::find("limitation-lifted").unwrap();
    let printed = serde_saphyr::to_string(&shape).unwrap();
    assert_eq!(Shape::parse(&printed, "printed").unwrap(), shape);
}

#[test]
fn a_misspelt_shape_is_answered_with_the_one_that_was_meant() {
    let message = Shape::find("one-biuld").unwrap_err().to_string();
    assert!(message.contains("did you mean `one-build`?") && message.contains("untainted"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let message = Shape::find("/nowhere/mine.yaml").unwrap_err().to_string();
    assert!(message.contains("/nowhere/mine.yaml"), "{message}");
}

#[test]
fn broken_yaml_is_refused_with_its_line_and_reason() {
    let cases = [
        "name: x\nnodes:\n  - { name: a, os: linux }\n  bad",
        "name: x\nnodes:\n  - name: a\n    os: beos\n",
        "name: x\nnodes:\n  - name: a\n    os: linux\n    colour: red\n",
        "name: x\n",
        "",
    ];
    insta::assert_snapshot!(cases.map(refused).join("\n"), @"
    the shape mine.yaml is not what a shape looks like: simple key expected ':' at line 4, column 3
    the shape mine.yaml is not what a shape looks like: unknown variant `beos`, expected one of windows, linux at line 4, column 9
    the shape mine.yaml is not what a shape looks like: unknown field `colour`, expected one of name, os, arch, build, os_image, runtime, kubelet, taints, labels, cpu, memory, pods at line 5, column 5
    the shape mine.yaml is not what a shape looks like: missing field `nodes` at line 1, column 1
    the shape mine.yaml is not what a shape looks like: unexpected end of input at line 1, column 1
    ");
}

#[test]
fn nodes_that_could_not_be_are_refused_with_their_line_and_reason() {
    let node = |fields: &str| format!("name: x\nnodes:\n  - {{ name: good, os: linux }}\n  - {{ {fields} }}\n");
    let cases = [
        "name: x\nnodes: []\n".to_owned(),
        node("name: good, os: linux"),
        node("name: Bad_Name, os: linux"),
        node("name: win, os: windows"),
        node("name: win, os: windows, build: 10.0.20348"),
        node("name: a, os: linux, pods: 0"),
        node("name: a, os: linux, cpu: \"-4\""),
        node("name: a, os: linux, memory: lots"),
        node("name: a, os: linux, runtime: docker"),
    ];
    insta::assert_snapshot!(cases.map(|yaml| refused(&yaml)).join("\n"), @"
    the shape mine.yaml: a shape has at least one node
    the shape mine.yaml, line 4: there is another node `good`
    the shape mine.yaml, line 4: `Bad_Name` is not a node name (lower-case letters, digits and hyphens, at most 63)
    the shape mine.yaml, line 4: the Windows node `win` needs a `build` such as 10.0.20348.5499
    the shape mine.yaml, line 4: `10.0.20348` of the node `win` is not a Windows build such as 10.0.20348.5499
    the shape mine.yaml, line 4: the node `a` takes no pods
    the shape mine.yaml, line 4: `-4` is not a quantity of cpu for the node `a`
    the shape mine.yaml, line 4: `lots` is not a quantity of memory for the node `a`
    the shape mine.yaml, line 4: `docker` of the node `a` is not a runtime such as containerd://2.1.4
    ");
}

#[test]
fn node_addresses_follow_the_order_of_the_nodes_across_the_octet() {
    assert_eq!(Shape::internal_ip(0), Ipv4Addr::new(10, 240, 0, 10));
    assert_eq!(Shape::internal_ip(250), Ipv4Addr::new(10, 240, 1, 4));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_shape_parser_panic(text in "\\PC{0,200}|name: .{0,20}\nnodes:\n(  - .{0,30}\n){0,4}") {
        let _ = Shape::parse(&text, "any");
    }
}
