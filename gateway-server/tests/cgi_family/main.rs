//! FastCGI, SCGI, CGI, and what the three share.

mod cgi;
mod cgi_process;
mod environ;
mod fastcgi;
mod fcgi;
mod scgi;
mod support;
