//! What programs may count on of the public types.

use middleware_exceptions::{
    BodyError, ErrorId, Exceptions, ExceptionsLayer, Format, Page, RecentFailures, RecentFuture,
    Rendered, Report, RequestSummary, ResponseBody, ResponseFuture, Traceback,
};
use tower::Layer;

#[test]
fn layers_and_services_go_where_towers_go() {
    fn clone_send_sync<T: Clone + Send + Sync + 'static>() {}
    fn send<T: Send + 'static>() {}
    clone_send_sync::<ExceptionsLayer>();
    clone_send_sync::<Exceptions<()>>();
    clone_send_sync::<RecentFailures>();
    clone_send_sync::<ErrorId>();
    clone_send_sync::<Format>();
    clone_send_sync::<RequestSummary>();
    send::<Traceback>();
    send::<Report>();
    send::<Rendered>();
    send::<Page<'static>>();
    send::<BodyError>();
    send::<RecentFuture>();
    send::<ResponseBody<String>>();
    send::<ResponseFuture<std::future::Ready<()>, String>>();
    fn default<T: Default>() {}
    default::<ResponseBody<String>>();
    default::<ExceptionsLayer>();
}

#[test]
fn the_service_below_is_within_reach() {
    let mut service = Exceptions::layer().layer("inner");
    assert_eq!(*service.get_ref(), "inner");
    *service.get_mut() = "another";
    assert_eq!(service.into_inner(), "another");
}
