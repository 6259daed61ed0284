//! The agent's configuration from outside: printed, checked, and what is said of a wrong one.

use crate::harness::run::Place;

#[test]
fn the_printed_configuration_is_taken_as_it_is() {
    let place = Place::new();
    let printed = place.run(&["config", "default"]).text(0).to_owned();
    place.write("agent.yaml", &printed);
    let by_file = place.run(&["agent", "--config", "agent.yaml", "--check", "--state", "state"]);
    let by_flags = place.run(&["agent", "--logs-to", "otlp=http://collector:4317", "--check", "--state", "state"]);
    assert_eq!(by_file.text(0), by_flags.text(0));
    assert!(by_file.text(0).contains("otlp=http://collector:4317: gRPC, zstd, 0 headers\n"), "{}", by_file.text(0));
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&printed), "README.md has another configuration than the one that is printed");
}

#[test]
fn a_check_says_what_is_followed_and_where_it_goes() {
    let place = Place::new();
    for name in ["pods/shop_web_1/app/0.log", "pods/shop_web_1/app/1.log", "pods/kube_x_2/y/0.log", "k/kubelet.log"] {
        place.write(name, "x\n");
    }
    let path = |name: &str| place.path(name).display().to_string();
    place.write(
        "agent.yaml",
        format!(
            "state: {}\ninputs:\n  pods: {{path: {pods}, start: beginning, exclude: ['{pods}/kube_*/**']}}\n  files:\n    \
             - {{include: ['{}', '{}'], service: kubelet}}\nlogs:\n  to: [otlp=http://a:4317, otlp=https://b/x]\n  \
             compression: gzip\n  headers: {{authorization: Bearer SECRET}}\ntelemetry: {{listen: null}}\n",
            path("state"),
            path("k/*.log"),
            path("missing/*.log"),
            pods = path("pods"),
        ),
    );
    let run = place.run(&["agent", "--config", "agent.yaml", "--check"]);
    let text = run.text(0);
    for words in [
        format!("state     {} is made at the first start\n", path("state")),
        "memory    128 MiB\n".to_owned(),
        format!("pods      {}: 2 files now, from the beginning at the first start\n", path("pods")),
        format!("files     {}: 1 file now, from the end at the first start, as kubelet\n", path("k/*.log")),
        format!("there is no folder {}", path("missing")),
        "logs      otlp=http://a:4317: gRPC, gzip, 1 header\n".to_owned(),
        "logs      otlp=https://b/x: HTTP, gzip, 1 header\n".to_owned(),
        "telemetry turned off\n".to_owned(),
    ] {
        assert!(text.contains(&words), "{words:?} is not in:\n{text}");
    }
    assert!(!text.contains("SECRET") && !place.path("state").exists());
}

#[test]
fn a_wrong_file_is_told_in_full_and_ends_with_2() {
    let place = Place::new();
    place.write(
        "agent.yaml",
        "state: /tmp/x\ninputs:\n  pods:\n    strt: end\n    path: 5\nlogs:\n  to: [otlp=ftp://c]\ntap: {}\nmemory: 1\n",
    );
    let run = place.run(&["agent", "--config", "agent.yaml", "--check"]);
    assert_eq!((run.code, run.out.as_slice()), (Some(2), &b""[..]));
    run.says("spanline: --config: 4 problems\n")
        .says("\n  agent.yaml:4: inputs.pods.strt: unknown key; did you mean start?\n")
        .says("\n  agent.yaml:5: inputs.pods.path: found \"5\"; text is expected: if it is meant as text, put it in quotes\n")
        .says("\n  agent.yaml:7: logs.to: OTLP endpoint `ftp://c`: scheme ftp is not spoken; use http or https\n")
        .says("\n  agent.yaml:8: tap.forward: say where spans go on to, otlp=URL, or none to keep nothing on purpose");
}

#[test]
fn a_state_folder_that_cannot_be_used_ends_a_check_with_2() {
    let place = Place::new();
    place.write("file", "");
    let run = place.run(&["agent", "--logs-to", "otlp=http://c:4317", "--state", "file", "--check"]);
    assert_eq!(run.code, Some(2));
    run.says("spanline: state: ");
}

#[test]
fn variables_name_a_destination_and_a_flag_wins_over_them() {
    let place = Place::new();
    let check = |flags: &[&str]| {
        let arguments = [&["agent", "--check", "--state", "s"], flags].concat();
        let output = place
            .command(&arguments)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable:4317")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "a=b")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(check(&[]).contains("logs      otlp=http://variable:4317: gRPC, zstd, 1 header\n"), "{}", check(&[]));
    let flag = check(&["--logs-to", "otlp=http://flag:4317"]);
    assert!(flag.contains("otlp=http://flag:4317: gRPC, zstd, 0 headers") && !flag.contains("variable"), "{flag}");
}

#[test]
fn the_file_that_its_messages_go_to_is_not_followed() {
    let place = Place::new();
    place.write("a.log", "x\n").write("own.log", "").write("own.log.1", "x\n");
    let pattern = place.path("*.log*").display().to_string();
    let arguments =
        ["agent", "--check", "--logs-to", "otlp=http://c:4317", "--state", "s", "--files-include", &pattern];
    let files = |output: std::process::Output| {
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find(|line| line.starts_with("files ")).unwrap().to_owned()
    };
    let piped = files(place.command(&arguments).output().unwrap());
    assert!(piped.contains(": 3 files now"), "{piped}");
    let own = std::fs::File::create(place.path("own.log")).unwrap();
    let redirected = files(place.command(&arguments).stderr(own).output().unwrap());
    assert!(redirected.contains(": 1 file now"), "{redirected}");
}
