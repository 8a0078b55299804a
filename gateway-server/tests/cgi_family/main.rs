//! FastCGI, SCGI, CGI, and what the three share.

#[path = "../common/framing.rs"]
mod cases;
mod cgi;
mod cgi_process;
mod environ;
mod fastcgi;
mod fcgi;
mod framing;
mod scgi;
mod support;
