"""cache: what comes from package registries, fetched once by their ordinary clients.

Everything lands in tests/compat/cache (git ignores it) or in $DLOG_TEST_CACHE. A folder is
complete when its `done` file holds the text that it was made from: a new version makes it anew.
"""
import hashlib, os, shutil, subprocess, sys, time

FOLDER = os.environ.get("DLOG_TEST_CACHE") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "cache")
TRIES = 3
FETCH_TIMEOUT_S = 150     # for all tries together

class Unavailable(Exception):
    """What a test needs cannot be had here; the text says why."""

def need(program, package=None):
    path = shutil.which(program)
    if not path:
        raise Unavailable(f"{program} is not installed" + (f" (Debian package {package})" if package else ""))
    return path

def fetch(command, folder, env=None):
    """Runs a registry client, again if it fails: registries have bad moments."""
    end = time.monotonic() + FETCH_TIMEOUT_S
    name = os.path.basename(command[0])
    for attempt in range(1, TRIES + 1):
        try:
            done = subprocess.run(command, cwd=folder, env={**os.environ, **(env or {})}, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=end - time.monotonic())
            if done.returncode == 0:
                return done.stdout
            why = done.stdout[-1500:]
        except subprocess.TimeoutExpired:
            why = f"no result within {FETCH_TIMEOUT_S} s"
        print(f"# try {attempt} of {TRIES}: {name} failed\n# " + why.strip().replace("\n", "\n# "),
              file=sys.stderr, flush=True)
        if end - time.monotonic() < 10 * attempt:
            break
        if attempt < TRIES:
            time.sleep(5 * attempt)
    lines = [line for line in why.splitlines() if line.strip()] or ["no output"]
    # The first line that speaks of an error says most; the last names a log file or a help page.
    line = next((line for line in lines if "error" in line.lower() or "fail" in line.lower()), lines[-1])
    raise Unavailable(f"{name} cannot fetch: {line.strip()[:200]}")

def make(name, source, build):
    """The folder NAME, made by build(folder) unless it was made from the same SOURCE text before."""
    folder = os.path.join(FOLDER, name)
    stamp = os.path.join(folder, "done")
    digest = hashlib.sha256(source.encode()).hexdigest()
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == digest:
                return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    build(folder)
    with open(stamp, "w") as file:
        file.write(digest)
    return folder

def read(*paths):
    texts = []
    for path in paths:
        with open(path) as file:
            texts.append(file.read())
    return "\n".join(texts)

def maven(name, pom):
    """The folder NAME with the jars of the project text POM and all they need."""
    def build(folder):
        need("javac", "default-jdk-headless")
        with open(os.path.join(folder, "pom.xml"), "w") as file:
            file.write(pom)
        fetch([need("mvn", "maven"), "-q", "-B", f"-Dmaven.repo.local={os.path.join(FOLDER, 'm2')}",
               "dependency:copy-dependencies", "-DoutputDirectory=" + folder, "-DincludeScope=runtime"], folder)
    return make(name, pom, build)

def venv(name, requirements):
    """A Python with REQUIREMENTS (a list of name==version) installed by pip."""
    def build(folder):
        fetch([sys.executable, "-m", "venv", folder], FOLDER)
        fetch([os.path.join(folder, "bin", "pip"), "install", "--quiet", "--only-binary", ":all:",
               "--disable-pip-version-check", *requirements], folder)
    folder = make(name, "\n".join(requirements) + sys.version, build)
    return os.path.join(folder, "bin", "python3")

def npm(name, source):
    """A copy of the folder SOURCE with its packages installed."""
    package = os.path.join(source, "package.json")
    def build(folder):
        shutil.copy(package, folder)
        fetch([need("npm", "npm"), "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error",
               "--fetch-retries=1", "--fetch-retry-maxtimeout=10000"],
              folder)
    folder = make(name, read(package), build)
    for file in os.listdir(source):
        shutil.copy(os.path.join(source, file), folder)
    return folder

def go(name, source, version_min):
    """The program that the Go module in SOURCE builds; VERSION_MIN is a pair like (1, 21)."""
    compiler = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.path.exists(compiler):
        raise Unavailable("go is not installed")
    text = subprocess.run([compiler, "env", "GOVERSION"], capture_output=True, text=True, cwd="/").stdout
    version = tuple(int(part) for part in text.strip().removeprefix("go").split(".")[:2])
    if version < version_min:
        raise Unavailable(f"go is {text.strip()}, needed is {version_min[0]}.{version_min[1]}")
    files = sorted(os.path.join(source, file) for file in os.listdir(source))
    def build(folder):
        for file in files:
            shutil.copy(file, folder)
        # Its own module cache would be downloaded again for each client: one for all of them.
        fetch([compiler, "build", "-o", "client", "."], folder,
              {"GOFLAGS": "-modcacherw -buildvcs=false", "GOPATH": os.path.join(FOLDER, "go")})
    return os.path.join(make(name, read(*files) + text, build), "client")
