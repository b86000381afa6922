use super::*;
use std::error::Error as _;

/// The message with its causes, as a person sees it.
fn refused(yaml: &str) -> String {
    let error = Shape::parse(yaml, "mine.yaml").unwrap_err();
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// A node in a line: what tells it from others.
fn row(node: &NodeShape) -> String {
    let taints: Vec<_> = node.taints.iter().map(|t| format!("{}={}:{}", t.key, t.value, t.effect)).collect();
    let taints = if taints.is_empty() { "-".to_owned() } else { taints.join(",") };
    format!("{} {} {} {} {taints}", node.name, node.kernel_version(), node.runtime, node.kubelet)
}

#[test]
fn every_shipped_shape_is_a_good_shape_of_its_own_name_and_says_what_it_is_for() {
    for name in Shape::shipped() {
        let shape = Shape::find(name).unwrap();
        assert_eq!(shape.name, name);
        assert!(shape.about.ends_with('.') && shape.about.len() < 130, "{name}: {}", shape.about);
    }
}

#[test]
fn every_shipped_shape_differs_from_the_default_in_what_its_name_says() {
    let default = Shape::find(DEFAULT_SHAPE).unwrap();
    let features = |shape: &Shape| serde_json::to_value(&shape.features).unwrap().as_object().unwrap().clone();
    let usual = features(&default);
    let mut lines = Vec::new();
    for name in Shape::shipped().filter(|name| *name != "large") {
        let shape = Shape::find(name).unwrap();
        lines.push(name.to_owned());
        let gone = default.nodes.iter().filter(|node| !shape.nodes.iter().any(|own| own.name == node.name));
        lines.extend(gone.map(|node| format!("  without {}", node.name)));
        lines.extend(
            shape.nodes.iter().filter(|node| !default.nodes.contains(node)).map(|node| format!("  {}", row(node))),
        );
        let switched = features(&shape).into_iter().filter(|(feature, on)| usual[feature] != *on);
        lines.extend(switched.map(|(feature, on)| format!("  {feature}: {on}")));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn shapes_stack_from_left_to_right() {
    let shape = Shape::find("one-build, no-load-balancer,untainted").unwrap();
    assert_eq!(shape.name, "one-build,no-load-balancer,untainted");
    let names: Vec<_> = shape.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["win-2022-0", "win-2022-1", "linux-0"]);
    assert!(!shape.features.load_balancer && shape.nodes.iter().all(|node| node.taints.is_empty()));
    let shape = Shape::find("large:5,two-patch-levels").unwrap();
    assert_eq!(shape.nodes[1].name, "win-2022-1");
    assert_eq!(shape.nodes[1].kernel_version(), "10.0.20348.5622", "what fits is changed, the rest does not matter");
    let message = Shape::find("untainted,large").unwrap_err().to_string();
    assert!(message.contains("can only come first in `untainted,large`"), "{message}");
}

#[test]
fn a_shape_with_a_size_has_as_many_nodes_in_the_proportions_of_their_shares() {
    let count = |text: &str| {
        let shape = Shape::find(text).unwrap();
        let of = |prefix: &str| shape.nodes.iter().filter(|node| node.name.starts_with(prefix)).count();
        (of("win-2022-"), of("win-2025-"), of("linux-"), shape.nodes.len())
    };
    assert_eq!(count("large"), (30, 10, 10, 50));
    assert_eq!(count("large:200"), (120, 40, 40, 200));
    assert_eq!(count("large:7").3, 7);
    for (text, reason) in
        [("large:0", "at least one node"), ("large:300", "300 nodes are more than the 256"), ("default:3", "no `size`")]
    {
        let message = Shape::find(text).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_file_can_build_on_another_one_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("mine.yaml", "name: mine\nbase: one-build,no-load-balancer\nremove: [win-2022-1]\n");
    write(
        "yours.yaml",
        "name: yours\nbase: mine.yaml\nchange: [{nodes: 'win-*', labels: {pool: a, gone: null}, pods: 30}]\nnodes: [{name: x, os: linux}]\n",
    );
    let shape = Shape::find(folder.path().join("yours.yaml").to_str().unwrap()).unwrap();
    let names: Vec<_> = shape.nodes.iter().map(|node| (node.name.as_str(), node.pods)).collect();
    assert_eq!(names, [("win-2022-0", 30), ("linux-0", 110), ("x", 110)]);
    assert_eq!(shape.nodes[0].labels["pool"], "a");
    assert!(!shape.features.load_balancer);
    write("loop.yaml", "name: loop\nbase: loop.yaml\n");
    let message = Shape::find(folder.path().join("loop.yaml").to_str().unwrap()).unwrap_err().to_string();
    assert!(message.contains("lead to one another"), "{message}");
}

#[test]
fn what_a_shape_says_about_its_base_must_fit_it() {
    let cases = [
        "name: x\nbase: default\nremove: [win-2023-0]\n",
        "name: x\nbase: default\nchange:\n- {os: linux, pods: 3}\n- {nodes: nobody, pods: 3}\n",
        "name: x\nbase: defautl\n",
        "name: x\nbase: default\nnodes:\n- {name: linux-0, os: linux}\n",
        "name: x\nbase: default\nfeatures: {flying: true}\n",
        "name: x\nnodes:\n- {name: a, os: linux, share: 2}\n",
        "name: x\nsize: 4\nnodes:\n- {name: a, os: linux}\n",
    ];
    insta::assert_snapshot!(cases.map(refused).join("\n"));
}

#[test]
fn paths_are_made_absolute_and_names_are_not() {
    assert_eq!(Shape::anchored("default,large:9"), "default,large:9");
    let anchored = Shape::anchored("one-build,./mine.yaml");
    assert!(anchored.starts_with("one-build,/") && anchored.ends_with("/mine.yaml"), "{anchored}");
}

#[test]
fn the_default_shape_has_three_windows_builds_with_two_equal_nodes_and_two_linux_nodes() {
    let shape = Shape::find(DEFAULT_SHAPE).unwrap();
    let rows: Vec<_> =
        shape.nodes.iter().map(|node| format!("{} | {} | {}", node.os, node.os_image(), row(node))).collect();
    insta::assert_snapshot!(rows.join("\n"));
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
        "",
    ];
    insta::assert_snapshot!(cases.map(refused).join("\n"), @"
    the shape mine.yaml is not what a shape looks like: simple key expected ':' at line 4, column 3
    the shape mine.yaml is not what a shape looks like: unknown variant `beos`, expected one of windows, linux at line 4, column 9
    the shape mine.yaml is not what a shape looks like: unknown field `colour`, expected one of name, os, arch, build, os_image, runtime, kubelet, taints, labels, cpu, memory, pods, share at line 5, column 5
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
