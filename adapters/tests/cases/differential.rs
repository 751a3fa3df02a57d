//! The validator against xmllint: every schema, every message of every case, and messages that were
//! broken on purpose. Without xmllint on the machine only the expectations of [`super::zoo`] are held.

use std::collections::{BTreeMap, BTreeSet};

use adapters::replay::{
    Engine,
    schema::{
        Piece,
        tree::{Content, Node},
    },
};

use super::{folder, xmllint};

/// Broken messages in all, spread evenly over what could be broken.
const MUTANTS_MAX: usize = 2_500;

#[test]
fn validator_and_xmllint_agree_on_every_message_and_on_broken_ones() {
    if !xmllint::is_here() {
        println!("xmllint is not installed: the validator was not compared with it");
        return;
    }
    let engine = Engine::open(&folder()).expect("readable cases and schemas");
    let pieces = pieces(&engine);
    assert!(pieces.len() >= 30, "only {} parts of messages were found", pieces.len());
    let places: usize = pieces.iter().map(|piece| count(piece.root()) * WAYS.len()).sum();
    let stride = places.div_ceil(MUTANTS_MAX).max(1);
    let mut by_schema: BTreeMap<_, Vec<(String, Piece<'_>)>> = BTreeMap::new();
    for piece in &pieces {
        let group = by_schema.entry(piece.schema().to_owned()).or_default();
        group.push(("as it is".to_owned(), piece.with(piece.root().clone())));
        group.extend(mutants(piece, stride));
    }
    let (mut compared, mut refused) = (0, 0);
    let mut differences = Vec::new();
    for (schema, group) in &by_schema {
        let documents: Vec<String> = group.iter().map(|(_, one)| one.root().to_xml()).collect();
        let verdicts = xmllint::accepted(schema, &documents).expect("xmllint takes the schema");
        for (((how, piece), document), theirs) in group.iter().zip(&documents).zip(verdicts) {
            let faults = piece.faults();
            compared += 1;
            refused += usize::from(!theirs);
            if faults.is_empty() != theirs {
                let file = schema.display();
                differences
                    .push(format!("{file}: {how}: xmllint {theirs}, ours {faults:?}: {document}"));
            }
        }
    }
    println!("{compared} documents were compared, xmllint refused {refused}");
    assert!(refused > compared / 4, "{refused} of {compared}: too few were broken");
    let count = differences.len();
    differences.truncate(5);
    assert!(differences.is_empty(), "{count} of {compared} differ:\n{}", differences.join("\n"));
}

/// Every part of every XML file of every case, each once.
fn pieces(engine: &Engine) -> Vec<Piece<'_>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for found in engine.cases() {
        for entry in std::fs::read_dir(&found.folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|end| end != "xml") {
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            let pieces = engine.schemas().pieces(&found.system, &bytes).unwrap_or_default();
            all.extend(pieces.into_iter().filter(|one| seen.insert(one.root().to_xml())));
        }
    }
    all
}

/// How an element is broken.
type Way = (&'static str, fn(&mut Node, usize));

const WAYS: [Way; 8] = [
    ("a child is dropped", |node, at| drop(node.content.remove(at))),
    ("a child stands twice", |node, at| node.content.insert(at, node.content[at].clone())),
    ("a child comes later", |node, at| {
        let child = node.content.remove(at);
        node.content.push(child);
    }),
    ("a strange child", |node, at| {
        let stranger = adapters::replay::schema::tree::read("<sim-stranger/>").expect("XML");
        node.content.insert(at, Content::Element(stranger));
    }),
    ("a bad value", |node, at| node.content.insert(at, Content::Text("?!".to_owned()))),
    ("a long value", |node, at| node.content.insert(at, Content::Text("Ж".repeat(300)))),
    ("a strange attribute", |node, _| {
        node.attributes.push(((None, "sim-strange".to_owned()), "1".to_owned()));
    }),
    ("emptied", |node, _| node.content.clear()),
];

fn mutants<'p>(piece: &Piece<'p>, stride: usize) -> Vec<(String, Piece<'p>)> {
    let elements = count(piece.root());
    let places = (0..elements).flat_map(|at| (0..WAYS.len()).map(move |way| (at, way)));
    let start = elements % stride;
    let chosen = places.skip(start).step_by(stride);
    let mutant = |(at, way): (usize, usize)| {
        let (name, change) = WAYS[way];
        let mut root = piece.root().clone();
        let node = nth(&mut root, &mut { at }).expect("counted");
        let how = format!("{}: {name}", node.name.1);
        let length = node.content.len();
        if length == 0 {
            node.content.push(Content::Text(String::new()));
        }
        change(node, (at * 7) % length.max(1));
        (how, piece.with(root))
    };
    chosen.map(mutant).collect()
}

fn count(node: &Node) -> usize {
    1 + node.elements().map(count).sum::<usize>()
}

/// The element at a place in the order of the document.
fn nth<'n>(node: &'n mut Node, left: &mut usize) -> Option<&'n mut Node> {
    if *left == 0 {
        return Some(node);
    }
    *left -= 1;
    for one in &mut node.content {
        if let Content::Element(child) = one {
            let inside = count(child);
            if *left < inside {
                return nth(child, left);
            }
            *left -= inside;
        }
    }
    None
}
