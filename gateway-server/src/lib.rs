//! What calls the application: HTTP/1.1 and 2, FastCGI, SCGI and CGI, for any tower service.
