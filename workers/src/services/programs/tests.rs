use super::*;

fn machine(files: &[&str]) -> (tempfile::TempDir, Search) {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    let search = Search {
        root: root.path().canonicalize().unwrap(),
        path: root.path().canonicalize().unwrap().join("usr/sbin").into(),
    };
    (root, search)
}

#[test]
fn the_newest_complete_postgresql_is_taken() {
    let (_root, search) = machine(&[
        "usr/lib/postgresql/9.6/bin/initdb",
        "usr/lib/postgresql/15/bin/initdb",
        "usr/lib/postgresql/15/bin/postgres",
        "usr/lib/postgresql/15/bin/psql",
        "usr/lib/postgresql/16/bin/psql",
    ]);
    let found = search.postgres().unwrap();
    assert_eq!(found.bin, search.root.join("usr/lib/postgresql/15/bin"));
}

#[test]
fn a_wrapper_on_the_path_is_not_taken_for_rabbitmq() {
    let (_root, search) =
        machine(&["usr/sbin/rabbitmq-server", "usr/sbin/rabbitmqctl", "usr/sbin/erl"]);
    assert_eq!(search.rabbitmq(), None);
}

#[test]
fn rabbitmq_is_found_with_its_erlang() {
    let (_root, search) = machine(&[
        "usr/lib/rabbitmq/bin/rabbitmq-server",
        "usr/lib/rabbitmq/bin/rabbitmqctl",
        "usr/lib/rabbitmq/bin/rabbitmq-env",
        "usr/bin/erl",
        "usr/lib/erlang/erts-13.1.5/bin/epmd",
    ]);
    let found = search.rabbitmq().unwrap();
    assert_eq!(found.erlang, search.root.join("usr/bin"));
    assert_eq!(found.epmd, search.root.join("usr/lib/erlang/erts-13.1.5/bin/epmd"));
}

#[test]
fn a_tool_is_found_along_the_path_and_nowhere_else() {
    let (root, search) = machine(&["usr/sbin/promtool", "opt/amtool"]);
    let root = root.path().canonicalize().unwrap();
    assert_eq!(search.program("promtool"), Some(root.join("usr/sbin/promtool")));
    assert_eq!(search.program("amtool"), None);
}
