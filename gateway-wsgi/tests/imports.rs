//! What cannot be imported, and what is found where.

mod support;

use std::fs;

use gateway_core::testing::Client;
use gateway_wsgi::{ImportError, Wsgi};
use support::program;

fn refused(target: &str) -> String {
    let import = Wsgi::import(target).python_path(program("broken"));
    import.load().expect_err(target).to_string()
}

#[test]
fn a_module_that_cannot_be_imported_says_so_with_pythons_traceback() {
    let text = refused("raises_at_import:application");
    assert!(
        text.starts_with("Traceback (most recent call last):"),
        "{text}"
    );
    assert!(
        text.contains("raises_at_import.py\", line 5, in <module>"),
        "{text}"
    );
    assert!(text.ends_with("RuntimeError: no settings"), "{text}");
    let text = refused("syntax_error:application");
    assert!(text.contains("SyntaxError"), "{text}");
    assert!(refused("nowhere.at.all:application").ends_with("No module named 'nowhere'"));
    assert!(refused("json:nothing").contains("has no attribute 'nothing'"));
    assert!(refused("json:__doc__").ends_with("cannot be called"));
    for target in [
        "",
        ":",
        "a b:c",
        "json:",
        "json:loads().x",
        "json:loads)",
        "../json:x",
    ] {
        let error = Wsgi::import(target).load().expect_err(target);
        assert!(matches!(error, ImportError::Target(_)), "{target}: {error}");
    }
}

#[test]
fn what_exits_while_it_is_imported_ends_no_process() {
    assert!(refused("exits:application").contains("SystemExit: 7"));
}

#[test]
fn the_attribute_may_be_dotted_or_a_factory_and_defaults_to_application() {
    for target in [
        "targets",
        "targets:application",
        "targets:site.app",
        "targets:make()",
    ] {
        let app = Wsgi::import(target)
            .python_path(program(""))
            .load()
            .unwrap();
        Client::new(app).get("/").send().assert_text("found");
    }
}

#[test]
fn an_environment_of_another_minor_version_is_refused_with_both_named() {
    let folder = std::env::temp_dir().join(format!("venv-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pyvenv.cfg"), "version = 3.4.1\n").unwrap();
    let error = Wsgi::import("json:loads")
        .venv(&folder)
        .load()
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("it is of Python 3.4, and this program is linked with Python 3."),
        "{text}"
    );
    fs::write(folder.join("pyvenv.cfg"), "home = /usr\n").unwrap();
    let error = Wsgi::import("json:loads")
        .venv(&folder)
        .load()
        .expect_err("refused");
    assert!(error.to_string().contains("site-packages"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
    let error = Wsgi::import("json:loads")
        .venv(&folder)
        .load()
        .expect_err("refused");
    assert!(
        error.to_string().contains("pyvenv.cfg cannot be read"),
        "{error}"
    );
}
