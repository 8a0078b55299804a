//! The public types, by name, and what can be done with them.

use middleware_static::layer::{BodyError, LayerBody, LayerFuture};
use middleware_static::source::{
    Directory, Entry, File, Io, Metadata, Node, Source, Symlinks, Wait,
};
use middleware_static::{
    AssetManifest, Dotfiles, EntityTag, ResponseBody, ResponseFuture, SendFile, Static, StaticFile,
    StaticFiles, StaticLayer, ValidateBy,
};

fn clone_send_sync<T: Clone + Send + Sync + 'static>() {}
fn send<T: Send + 'static>() {}
fn debug<T: std::fmt::Debug>() {}
fn default<T: Default>() {}

#[test]
fn services_and_layers_are_cloned_and_sent() {
    clone_send_sync::<StaticFiles>();
    clone_send_sync::<StaticFile>();
    clone_send_sync::<StaticLayer>();
    clone_send_sync::<Static<StaticFiles>>();
    clone_send_sync::<AssetManifest>();
    clone_send_sync::<Directory>();
    clone_send_sync::<EntityTag>();
    clone_send_sync::<SendFile>();
    clone_send_sync::<ValidateBy>();
    clone_send_sync::<Dotfiles>();
    clone_send_sync::<(Io, Symlinks, Wait, Entry, File, Metadata)>();
}

#[test]
fn futures_and_bodies_are_sent_shown_and_made_from_nothing() {
    send::<ResponseFuture>();
    send::<LayerFuture<StaticFiles, (), ResponseFuture>>();
    send::<ResponseBody>();
    send::<LayerBody<ResponseBody>>();
    send::<BodyError>();
    send::<Node>();
    debug::<(
        StaticFiles,
        StaticFile,
        StaticLayer,
        ResponseFuture,
        ResponseBody,
        LayerBody<ResponseBody>,
    )>();
    default::<(ResponseBody, LayerBody<ResponseBody>)>();
}

#[test]
fn a_source_can_be_behind_a_pointer() {
    fn source<S: Source>() {}
    source::<Directory>();
    source::<std::sync::Arc<dyn Source>>();
}

#[test]
fn small_things_stay_small() {
    assert!(size_of::<StaticFiles>() == size_of::<usize>());
    assert!(
        size_of::<ResponseBody>() <= 40,
        "{}",
        size_of::<ResponseBody>()
    );
    assert!(
        size_of::<ResponseFuture>() <= 192,
        "{}",
        size_of::<ResponseFuture>()
    );
}
