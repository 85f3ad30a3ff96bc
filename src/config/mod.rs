//! Settings of both programs: files, environment, and where things lie on this machine.
