#!/bin/bash
# readme.sh WPACK EXAMPLE WORK_DIR: every command of README's console block works, in the
# order in which it stands there, and so does its C++ example.
set -euo pipefail
wpack=$(realpath "$1") example=$(realpath "$2") work=$3
. "$(dirname "$0")/sources.sh"
rm -rf "$work"
mkdir -p "$work/bin"
ln -s "$wpack" "$work/bin/wpack"
cp tests/data/torch/torch2.15_state_dict.pth "$work/model.pth"
cp tests/data/safetensors/model.safetensors "$work/model.safetensors"
cp -r tests/data/hugging_face/safetensors_sharded "$work/my-model"
commands=$(sed -n '/^```console$/,/^```$/s/^\$ //p' README.md)
cd "$work"
PATH=$work/bin:$PATH
export XDG_CACHE_HOME=$work/cache

[ "$(grep -c '^wpack ' <<<"$commands")" -ge 5 ] || { echo "README shows no commands" >&2; exit 1; }
while IFS= read -r command; do
  echo "$ $command"
  bash -c "$command" </dev/null
done <<<"$commands"

"$example" model.wpack | tee example.txt
grep -qx 'model\.layers\.10\.self_attn\.q_proj\.weight: 64 bytes' example.txt
if "$example" missing.wpack >missing.txt; then
  echo "README's example does not notice that a container is missing" >&2
  exit 1
fi
grep -q missing.wpack missing.txt
