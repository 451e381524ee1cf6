//! What shells complete: the command is asked as they ask it.

use std::{fs, path::Path, process::Command, time::Instant};

use invokeai_client::{Upload, workflow::WorkflowDefinition};

use crate::{
    NOWHERE,
    program::{command, run},
    proxy::Act,
    stage::{FLUX, Stage},
};

const TEXT_TO_IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");

/// What Bash would offer for the last of these words, which are split as Bash splits them: at `=` and `:`, too.
fn offered(folder: &Path, environment: &[(&str, &str)], words: &[&str]) -> Vec<String> {
    let script = folder.join("completions.bash");
    let made = command(&["completions", "bash"]).output().unwrap();
    fs::write(&script, made.stdout).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_invokeai-client")).parent().unwrap();
    let mut bash = Command::new("bash");
    let ask = "source completions.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
               _invokeai_client; printf '%s\\n' \"${COMPREPLY[@]}\"";
    bash.args(["-c", ask, "bash", "invokeai-client"]).args(words).current_dir(folder);
    bash.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
    bash.env("XDG_CONFIG_HOME", folder).env_remove("INVOKEAI_URL").env_remove("INVOKEAI_PROFILE");
    bash.envs(environment.iter().copied());
    let output = bash.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(!printed.contains("hush-5ecret"), "{printed}");
    let mut offered: Vec<String> = printed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    offered.sort();
    offered
}

#[test]
fn bash_completes_inputs_and_values_boards_and_models() {
    let stage = Stage::new();
    let definition = WorkflowDefinition::from_path(TEXT_TO_IMAGE).unwrap();
    let image = stage.ask(async |client| {
        client.boards().create("Sea and sky").await?;
        client.boards().create("seeds").await?;
        client.library().create(&definition).await?;
        client.images().upload(Upload::path(stage.path("photo.png"))).await
    });
    fs::copy(TEXT_TO_IMAGE, stage.path("t.json")).unwrap();
    fs::copy(FLUX, stage.path("flux.json")).unwrap();
    let environment = [("INVOKEAI_URL", stage.proxy.url.as_str()), ("INVOKEAI_TOKEN", "hush-5ecret")];
    let words = |words: &[&str]| offered(stage.folder.path(), &environment, words);
    // Inputs by their labels, in any case; what a shell would split is escaped.
    assert_eq!(words(&["run", "t.json", "--set", "s"]), ["Scheduler=", "Seed=", "Steps="]);
    assert_eq!(words(&["run", "t.json", "--set", "Neg"]), [r"Negative\ prompt="]);
    assert_eq!(words(&["run", "t.json", "--set", "\"Negative p"]), ["\"Negative prompt="]);
    assert_eq!(words(&["run", "flux.json", "--upload", ""]), ["image="]);
    // Values: of the models, those that fit. Bash has split the word, and replaces its last part.
    assert_eq!(words(&["run", "t.json", "--set", "Model", "="]), ["tiny-sd1"]);
    assert_eq!(words(&["run", "flux.json", "--set", "model", "=", "tiny-flux-d"]), ["tiny-flux-dev"]);
    assert_eq!(words(&["inspect", "t.json", "--set", "scheduler", "=", "euler_"]), ["euler_a", "euler_k"]);
    assert_eq!(words(&["run", "flux.json", "--upload", "image", "=", "pho"]), ["photo.png"]);
    // What is on the server.
    assert_eq!(words(&["run", "t.json", "--board", "se"]), ["seeds"]);
    assert_eq!(words(&["boards", "rm", "S"]), [r"Sea\ and\ sky"]);
    assert_eq!(words(&["models", "get", "tiny-t5"]), ["tiny-t5"]);
    assert_eq!(words(&["workflows", "get", "Te"]), [r"Text\ to\ image"]);
    assert_eq!(words(&["run", "saved", ":", "Te"]), [r"Text\ to\ image"]);
    assert_eq!(words(&["run", "sav"]), ["saved:"]);
    assert_eq!(words(&["run", "t.j"]), ["t.json"]);
    let of_saved = words(&["run", "saved", ":", r"Text\ to\ image", "--set", "Pro"]);
    assert_eq!(of_saved, ["Prompt="]);
    // And everything else.
    assert_eq!(words(&["queue", "re"]), ["resume", "retry"]);
    assert_eq!(words(&["run", "t.json", "--retry"]), ["--retry-failed"]);
    // The server may be named on the command line. Nothing is left on the server.
    let url: Vec<&str> = stage
        .proxy
        .url
        .split_inclusive(':')
        .flat_map(|part| part.strip_suffix(':').map_or(vec![part], |part| vec![part, ":"]))
        .collect();
    let named = [&["--server"][..], &url, &["boards", "get", "see"]].concat();
    assert_eq!(offered(stage.folder.path(), &[], &named), ["seeds"]);
    assert_eq!(stage.rows().images, [image.image_name]);
}

#[test]
fn without_a_server_completion_is_quick_and_silent() {
    let stage = Stage::new();
    fs::copy(TEXT_TO_IMAGE, stage.path("t.json")).unwrap();
    stage.proxy.on("GET", "/", [Act::Silence]);
    for server in [NOWHERE, &stage.proxy.url, "nonsense://"] {
        let environment = [("INVOKEAI_URL", server), ("INVOKEAI_TOKEN", "hush-5ecret")];
        let words = |words: &[&str]| offered(stage.folder.path(), &environment, words);
        let start = Instant::now();
        assert_eq!(words(&["boards", "get", "s"]), [""; 0], "{server}");
        assert_eq!(words(&["run", "t.json", "--set", "model", "="]), [""; 0], "{server}");
        assert_eq!(words(&["run", "no-such.json", "--set", "m"]), [""; 0], "{server}");
        // The names in a file need no server.
        assert_eq!(words(&["run", "t.json", "--set", "Se"]), ["Seed="], "{server}");
        assert!(start.elapsed().as_secs() < 12, "{server}: {:?}", start.elapsed());
    }
}

#[test]
fn every_shell_has_a_script_and_bash_accepts_it() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("INVOKEAI_CLIENT_COMPLETE"), "{shell}: {script:?}");
    }
    // The other shells ask with the words as they are.
    let stage = Stage::new();
    fs::copy(TEXT_TO_IMAGE, stage.path("t.json")).unwrap();
    for (shell, index) in [("zsh", Some("4")), ("fish", None), ("elvish", Some("4")), ("powershell", None)] {
        let mut asked = command(&["--", "invokeai-client", "run", "t.json", "--set", "Se"]);
        asked.current_dir(stage.folder.path()).env("INVOKEAI_CLIENT_COMPLETE", shell).env("_CLAP_IFS", "\n");
        if let Some(index) = index {
            asked.env("_CLAP_COMPLETE_INDEX", index);
        }
        let output = asked.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.lines().collect::<Vec<_>>(), ["Seed="], "{shell}");
    }
}
