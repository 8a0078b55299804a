//! The command line of the bookshop.

#![expect(clippy::print_stdout, reason = "programs print; libraries do not")]

use std::io::stderr;
use std::process::ExitCode;

use bookshop::{Shop, site};
use command_line::Certificate;
use gateway_core::Error;
use gateway_server::http::Server;
use gateway_server::tls::Tls;
use gateway_web::CookieKeys;

fn main() -> ExitCode {
    command_line::run_with_tls("127.0.0.1:8080", serve)
}

fn serve(address: &str, certificate: Option<Certificate>) -> Result<ExitCode, Error> {
    tracing_subscriber::fmt().with_writer(stderr).init();
    // Without a secret of its own the shop forgets all baskets when it ends.
    let secret = std::env::var("BOOKSHOP_SECRET").ok();
    let keys = secret.map(|secret| CookieKeys::new(secret.as_bytes()));
    let keys = keys.transpose()?.unwrap_or_else(CookieKeys::random);
    gateway_server::block_on(async {
        let server = Server::bind(address)?;
        let site = site(Shop::open("bookshop.db")?, keys)?;
        let addr = server.local_addr()?;
        Ok(match certificate {
            Some(Certificate { chain, key }) => {
                let server = server.tls(Tls::pem(chain, key)?);
                println!("listening on https://{addr}");
                server.serve(site).await?
            }
            None => {
                println!("listening on http://{addr}");
                server.serve(site).await?
            }
        })
    })
}
