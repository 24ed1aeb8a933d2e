#!/usr/bin/env python3
"""check.py MILLWRIGHT [TEST ...]: what `pipeline export` prints, under Hera's models of Argo's objects
and against the pipeline as a second YAML reader sees it; and by `argo lint --offline`, where Argo's own
command line was built (tests/cluster/cluster build argo). The last line reads
'N passed, N failed, N skipped'."""
import json
import os
import subprocess
import sys
import tempfile

import yaml
from hera.workflows.models import Workflow

ARGO = os.path.join(os.environ.get("CLUSTER_HOME") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "millwright", "cluster"),
    "bin", "argo")
PLANT = "plant: hall\n"
HOSTILE = """\
steps:
- {name: dag, run: [x, "$(HOME)", "$$(HOME)", "$$", "$", "a$", "${work}", "$$${work}"]}
- {name: main, needs: [dag], when: parent, accept: [0, 3, 255], accelerator: edgetpu,
   run: [x, "quote \\" \\\\ \\n line", "--run=other", "--", "h\\u00e9 \\u2028", "", "}} {"]}
- {name: 0-9, needs: [main, dag], accept: [7], accelerator: gpu, run: ["--help"]}
- {name: pipeline, accelerator: amd.com/gpu, run: [x]}
"""
ODD = HOSTILE.replace("0-9", "o-9")  # Argo takes no step that begins with a digit


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def export(program, *words, steps=None, plant=PLANT, status=0):
    """What is printed, as a dict; the message when another exit status than 0 is expected."""
    with tempfile.TemporaryDirectory(prefix="mw-argo-") as folder:
        for name, text in (("plant.yaml", plant), ("pipeline.yaml", steps)):
            if text is not None:
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
        file = ["--file", "pipeline.yaml"] if steps is not None else []
        done = subprocess.run([os.path.abspath(program), "pipeline", "export", *file, *words],
                              cwd=folder, capture_output=True, timeout=60)
    check(done.returncode == status, f"{words}: exit status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout) if status == 0 else done.stderr.decode()


def expanded(text):
    """As Kubernetes expands an argument when no variable is set: $$ is $, all else stays."""
    out, at = "", 0
    while at < len(text):
        two = text[at:at + 2]
        out += "$" if two == "$$" else text[at]
        at += 2 if two == "$$" else 1
    return out


def split(container):
    """The options of `pipeline step`, and the step's own arguments."""
    check(container["command"] == ["/usr/bin/millwright"], container)
    args = [expanded(one) for one in container["args"]]
    check(args[:2] == ["pipeline", "step"], args)
    at = args.index("--")
    options = dict(one[2:].split("=", 1) for one in args[4:at])
    return options, args[at + 1:]


def holds_steps(steps, containers):
    """Every step has a container with its arguments, its condition and its exit codes."""
    check(len(steps) == len(containers), f"{len(containers)} containers for {len(steps)} steps")
    for step in steps:
        options, args = split(containers[step["name"]])
        check(args == step["run"], f"{step['name']}: {args} is not {step['run']}")
        check(options["name"] == step["name"], options)
        check(options.get("when") == step.get("when"), options)
        check(sorted(int(one) for one in options.get("accept", "0").split(",")) ==
              sorted(step.get("accept", [0])), options)


def holds_workflow(program, text, *words, steps=None):
    found = export(program, "--argo", *words, steps=steps)
    model = Workflow.parse_obj(found) if not hasattr(Workflow, "model_validate") else \
        Workflow.model_validate(found)
    again = json.loads(model.json(exclude_unset=True, by_alias=True))
    check(again == found, f"Argo's model has no such keys:\n{found}\n{again}")
    steps = yaml.safe_load(text)["steps"]
    spec = found["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    check(len(templates) == len(spec["templates"]), "two templates of one name")
    tasks = templates.pop(spec["entrypoint"])["dag"]["tasks"]
    check({one["name"]: one.get("dependencies", []) for one in tasks} ==
          {one["name"]: one.get("needs", []) for one in steps}, f"other dependencies: {tasks}")
    check(all(one["template"] == one["name"] for one in tasks), tasks)
    holds_steps(steps, {name: one["container"] for name, one in templates.items()})
    names = {f"workflow.parameters.{one['name']}" for one in spec["arguments"]["parameters"]}
    for one in templates.values():
        for arg in one["container"]["args"]:
            check("{{" not in arg or arg.split("{{")[1].split("}}")[0] in
                  names | {"workflow.name"}, f"no parameter: {arg}")
        check(one["retryStrategy"]["limit"] == "2", one)
    return spec, templates


def is_argos(program):
    text = subprocess.run([program, "pipeline", "show"], capture_output=True, text=True,
                          check=True).stdout
    spec, _ = holds_workflow(program, text, "--image", "registry.local/millwright:1", "--cause",
                             "drift", "--since", "2026-01-01T00:00:00Z", "--service-account", "x")
    check({one["name"]: one["value"] for one in spec["arguments"]["parameters"]} ==
          {"cause": "drift", "since": "2026-01-01T00:00:00Z", "machine": ""}, spec["arguments"])
    check(spec["serviceAccountName"] == "x", spec)


def lint(workflow):
    """(exit status, what was said) of Argo's own check, without a cluster."""
    with tempfile.TemporaryDirectory(prefix="mw-argo-") as folder:
        path = os.path.join(folder, "workflow.json")
        with open(path, "w") as file:
            json.dump(workflow, file)
        done = subprocess.run([ARGO, "lint", "--offline", "--kinds=workflows", path], cwd=folder,
                              capture_output=True, text=True, timeout=120,
                              env={"HOME": folder, "PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout + done.stderr


def passes_argos_own_check(program):
    if not os.path.exists(ARGO):
        raise Skipped(f"there is no {ARGO}: tests/cluster/cluster build argo")
    exported = [export(program, "--argo", "--cause", "drift", "--since", "2026-01-01T00:00:00Z"),
                export(program, "--argo", "--run", "hall-0123456789ab", "--service-account", "x"),
                export(program, "--argo", "--machine", "motor-7",
                       plant=PLANT + "stream: {url: 'kafka://k:9092'}\n"),
                export(program, "--argo", steps=ODD)]
    for one in exported:
        status, said = lint(one)
        check(status == 0 and "no linting errors" in said, f"{status}: {said}")
    broken = json.loads(json.dumps(exported[0]))
    broken["spec"]["templates"][0]["dag"]["tasks"][1]["dependencies"] = ["nobody"]
    status, said = lint(broken)
    check(status != 0 and "nobody" in said, f"a dependency on nobody was taken: {status}: {said}")


def is_as_restricted(program):
    """The pod security standard of that name, in the Workflow and in the Jobs."""
    spec = export(program, "--argo")["spec"]
    jobs = [one["spec"]["template"]["spec"] for one in export(program, "--jobs")["items"]]
    pods = [(spec, one["container"]) for one in spec["templates"] if "container" in one]
    pods += [(one, one["containers"][0]) for one in jobs]
    check(len(pods) == 14, len(pods))
    for pod, container in pods:
        own = pod["securityContext"]
        check(own["runAsNonRoot"] and own["runAsUser"] == 65532 and
              own["seccompProfile"] == {"type": "RuntimeDefault"}, own)
        check(container["securityContext"] == {"allowPrivilegeEscalation": False,
                                               "readOnlyRootFilesystem": True,
                                               "capabilities": {"drop": ["ALL"]}}, container)
        check({one["name"] for one in pod["volumes"]} ==
              {one["name"] for one in container["volumeMounts"]}, pod["volumes"])
        check("affinity" in pod, "without Kafka all pods have to be where the files are")
    kafka = export(program, "--jobs", plant=PLANT + "stream: {url: 'kafka://k:9092'}\n")
    check("affinity" not in kafka["items"][0]["spec"]["template"]["spec"], "tied to one node")


def takes_odd_names(program):
    _, templates = holds_workflow(program, ODD, steps=ODD)
    limits = {name: one["container"]["resources"].get("limits") for name, one in templates.items()}
    check(limits == {"dag": None, "main": {"millwright.dev/edgetpu": "1"},
                     "o-9": {"nvidia.com/gpu": "1"}, "pipeline": {"amd.com/gpu": "1"}}, limits)


def is_jobs(program):
    since = "$(HOME) {{x}}"
    found = export(program, "--jobs", "--run", "night", "--since", since, steps=HOSTILE)["items"]
    steps = yaml.safe_load(HOSTILE)["steps"]
    jobs = {one["metadata"]["labels"]["millwright.dev/step"]: one for one in found}
    holds_steps(steps, {name: one["spec"]["template"]["spec"]["containers"][0]
                        for name, one in jobs.items()})
    done = set()
    for name, job in jobs.items():
        needs = job["metadata"].get("annotations", {}).get("millwright.dev/needs", "")
        needs = needs.split(",") if needs else []
        step, = (one for one in steps if one["name"] == name)
        check(needs == step.get("needs", []) and set(needs) <= done, f"{name} needs {needs}")
        check(job["spec"]["suspend"] == bool(needs), job["spec"])
        check(job["metadata"]["name"] == f"night-{name}", job["metadata"])
        options, _ = split(job["spec"]["template"]["spec"]["containers"][0])
        check(options["since"] == since and options["run"] == "night", options)
        done.add(name)


def refuses(program):
    def refused(text, *words, steps=None, plant=PLANT):
        said = export(program, *words, steps=steps, plant=plant, status=2)
        check(text in said, f"'{text}' is not in: {said}")

    def step(name, argument="x"):
        return f"steps:\n- name: {name}\n  run: [{json.dumps(argument)}]\n"

    refused("either --argo or --jobs")
    refused("either --argo or --jobs", "--argo", "--jobs")
    for name in ("-a", "a-"):
        refused(f"step '{name}'", "--argo", steps=step(name))
        refused(f"plant '{name}'", "--jobs", plant=f"plant: {name}\n")
        refused(f"run '{name}'", "--jobs", "--run=" + name)
        refused(f"claim '{name}'", "--argo", "--claim=" + name)
        refused(f"service account '{name}'", "--argo", "--service-account=" + name)
    refused("step '0-9': Argo takes none that begins with a digit", "--argo", steps=HOSTILE)
    refused("config map 'A/b'", "--argo", "--config-map=A/b")
    refused("longer than 63", "--jobs", "--run", "r" * 60, steps=step("s" * 10))
    refused("longer than 63", "--argo", "--claim", "c" * 64)
    refused("Argo would replace {{", "--argo", steps=step("a", "{{workflow.name}}"))
    refused("Argo would replace {{", "--argo", "--since", "{{=1}}")
    refused("Argo would replace {{", "--argo", "--image", "{{x}}")
    refused("UTF-8", "--jobs", "--machine", b"\xff")


TESTS = (is_argos, passes_argos_own_check, is_as_restricted, takes_odd_names, is_jobs, refuses)


def main():
    passed = failed = skipped = 0
    for test in TESTS:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        print(f"-- {test.__name__}", flush=True)
        try:
            test(sys.argv[1])
            passed += 1
        except Skipped as error:
            print(f"skipped: {error}")
            skipped += 1
        except Failed as error:
            print(f"FAILED: {test.__name__}: {error}")
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
