//! The contract between gateways and applications: Environ, Application, Reply, Body, and adapters to and from tower.
