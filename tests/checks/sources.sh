# Sourced by the checks: `cd`s to the root of the tree, and lists files.
cd "$(dirname "$0")/../.." || exit 1

# tracked_files PATTERN...: the files that belong to the project, one a line: what git tracks and
# what it would track; without git, everything outside build/.
tracked_files() {
  if git -c safe.directory='*' rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | sort -u |
      while IFS= read -r file; do
        if [ -f "$file" ]; then printf '%s\n' "$file"; fi
      done
  else
    for pattern in "$@"; do
      find . -path ./build -prune -o -type f -path "./${pattern}" -print | sed 's|^\./||'
    done | sort -u
  fi
}
