use gateway_web::{
    Around, BasicAuth, CookieKeys, Download, ErrorPages, ErrorPagesService, Flash, Form, FormError,
    FormErrors, JsonError, Multipart, MultipartError, PageBody, Part, SameSite, Session,
    SessionLayer, SetCookie, StateLayer, Templates, Upload, UploadLimits, UploadedFile, Version,
    WeakSecret,
};

fn sent<T: Send>() {}
fn shared<T: Send + Sync>() {}
fn cloned<T: Clone>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn what_crosses_threads_may_cross_them() {
    shared::<CookieKeys>();
    shared::<ErrorPages>();
    shared::<ErrorPagesService<()>>();
    shared::<Around<SessionLayer, ()>>();
    shared::<Session>();
    shared::<SessionLayer>();
    shared::<StateLayer<String>>();
    shared::<Templates>();
    sent::<Multipart>();
    sent::<Part>();
    sent::<Upload>();
    sent::<UploadedFile>();
    sent::<Download>();
    sent::<PageBody<gateway_core::Body>>();
}

#[test]
fn layers_and_values_are_cloned() {
    cloned::<(CookieKeys, ErrorPages, Session, SessionLayer, Templates)>();
    cloned::<StateLayer<std::sync::Mutex<()>>>();
    cloned::<(BasicAuth, Flash, Form, FormErrors, SameSite, SetCookie)>();
    cloned::<(UploadLimits, Version)>();
}

#[test]
fn every_error_is_one() {
    error::<FormError>();
    error::<JsonError>();
    error::<MultipartError>();
    error::<WeakSecret>();
}
