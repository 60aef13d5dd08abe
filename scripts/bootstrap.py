"""Make .venv with the pinned dependencies: what `make run` and `make test` need before anything else.

Runs on whatever Python the machine has, so it speaks an old dialect and imports the standard library only.
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")


def main():
    check_python()
    check_folder()
    if not os.path.exists(os.path.join(VENV, ".made")) or not works(PYTHON):
        make_venv()
    for name in ["requirements.txt", *sys.argv[1:]]:
        install(name)


def check_python():
    if sys.version_info < (3, 11):
        fail(
            "Driftlock needs Python 3.11 or newer, and %s is %d.%d. Name another: make PYTHON=python3.12 …"
            % (sys.executable, *sys.version_info[:2])
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail(
            "Python's venv module is missing. On Debian and Ubuntu: "
            "apt install python3-venv (or python%d.%d-venv)" % sys.version_info[:2]
        )


def check_folder():
    if not os.access(ROOT, os.W_OK):
        fail("The folder %s can't be written to: .venv and .data are made in it." % ROOT)


def works(python):
    try:
        return subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def make_venv():
    say("making .venv")
    run([sys.executable, "-m", "venv", "--clear", VENV], "Making .venv failed")
    # A venv that was interrupted half way has no such mark, and is made again.
    with open(os.path.join(VENV, ".made"), "w"):
        pass


def install(name):
    path = os.path.join(ROOT, name)
    with open(path, "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    mark = os.path.join(VENV, "." + name)
    if os.path.exists(mark) and open(mark).read() == wanted:
        return
    say("installing " + name)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--requirement", path], "Installing %s failed" % name)
    with open(mark, "w") as file:
        file.write(wanted)


def run(command, failure):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stdout.strip().splitlines() if line.strip()]
        telling = [line for line in lines if "rror" in line] or lines or ["it said nothing"]
        fail("%s: %s" % (failure, telling[-1].strip()))


def say(words):
    print("driftlock: %s …" % words, file=sys.stderr, flush=True)


def fail(words):
    sys.exit("driftlock: " + words)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        fail("%s: %s" % (error.filename or ROOT, error.strerror))
    except KeyboardInterrupt:
        fail("stopped")
