// SPDX-License-Identifier: MIT
//! Runs the deployer's own phases and, in the same process, Torrust Backup's plugin after them.
//!
//! `configure` is followed by the plugin's render and install; a failure of the plugin there is a
//! warning, because the deployer's environment is configured all the same. `run` is followed by the
//! plugin's verify, whose exit status is ours.

mod plugin;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use plugin::{Failure, Plugin, FAILURE_IS_WARNING};
use torrust_tracker_deployer_sdk::{CommandProgressListener, Deployer, EnvironmentName};

const USAGE: &str = "Usage: torrust-backup-deployer-host configure|run ENVIRONMENT PLUGIN [WORKING_DIR]";

/// One listener for both: the deployer's steps and the plugin's look alike.
struct Console;

impl CommandProgressListener for Console {
    fn on_step_started(&self, step_number: usize, total_steps: usize, description: &str) {
        eprintln!("[{step_number}/{total_steps}] {description}...");
    }
    fn on_step_completed(&self, _step_number: usize, _description: &str) {}
    fn on_detail(&self, message: &str) {
        eprintln!("      {message}");
    }
    fn on_debug(&self, _message: &str) {}
}

fn say(severity: &str, failure: &Failure) {
    eprintln!(
        "{severity}: Torrust Backup: {}\nTip: {}\n{}",
        failure.message, failure.tip, failure.help
    );
}

fn host(verb: &str, environment: &str, plugin: &str, working_dir: &str) -> Result<u8, String> {
    let console = Arc::new(Console);
    // Loaded first: a wrong path shows before the deployer changes anything.
    let plugin = Plugin::load(&PathBuf::from(plugin)).map_err(|error| format!("cannot load the plugin: {error}"))?;
    let name = EnvironmentName::new(environment.to_string()).map_err(|error| error.to_string())?;
    let deployer = Deployer::builder()
        .working_dir(working_dir)
        .progress_listener(console.clone())
        .build()
        .map_err(|error| error.to_string())?;

    match verb {
        "configure" => {
            deployer.configure(&name).map_err(|error| error.to_string())?;
            eprintln!(
                "The deployer has configured '{environment}'; Torrust Backup {} follows",
                plugin.version()
            );
            if let Err(failure) = plugin.call("configure", environment, working_dir, FAILURE_IS_WARNING, &*console) {
                say("Warning", &failure);
            }
            Ok(0)
        }
        "run" => {
            deployer.run_services(&name).map_err(|error| error.to_string())?;
            match plugin.call("verify", environment, working_dir, 0, &*console) {
                Ok(()) => Ok(0),
                Err(failure) => {
                    say("Error", &failure);
                    Ok(u8::try_from(failure.exit_status).unwrap_or(1))
                }
            }
        }
        _ => Err(USAGE.to_string()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [verb, environment, plugin] => host(verb, environment, plugin, "."),
        [verb, environment, plugin, working_dir] => host(verb, environment, plugin, working_dir),
        _ => Err(USAGE.to_string()),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("Error: {message}");
            ExitCode::from(1)
        }
    }
}
