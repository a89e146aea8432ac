#!/usr/bin/env bash
# Everything that only a GPU can tell, in one command, in a folder made by tests/gpu/bundle.sh:
#   ./run.sh [--dry] [--quick] [--out DIR]
#     --dry     on the emulated module with tiny shapes: tests this script, measures nothing
#     --quick   no compute-sanitizer, fewer repeats
#     --out     where logs and figures go (results/)
# Writes DIR/gpu-results.md, one table to be pasted into docs/gpu-results.md, and exits with 1 if a step failed.
set -uo pipefail

dry=0 quick=0 out=results
while (( $# )); do
  case $1 in
    --dry) dry=1 ;;
    --quick) quick=1 ;;
    --out) out=$2; shift ;;
    *) sed -n '2,7p' "$0" >&2; exit 64 ;;
  esac
  shift
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out" && out=$(cd "$out" && pwd)
rm -f "$out"/*.{tsv,json,jsonl,log,md,txt}
. "$here/env.sh"
cd "$here" || exit 1
export LOCKSTEP_REQUIRE_GPU=1

if (( dry )); then
  export LOCKSTEP_CUDA_MODULE=$here/lib/lockstep/liblockstep_cuda_emulated.so
  shape=tiny shape_gqa8=tiny requests=share/dry.jsonl models=(recall)
  head -n 2 share/recall_tiny.jsonl > share/dry.jsonl
  common=(--repeats 1 --ceiling-mib 1 --ceiling-product 32 --schedule.max_step_tokens 128)
  kernels=(--tokens 1,3 --batch 1,2 --context 64 --prompt 32 --cold-mib 1)
  decode=(--batch 1,2 --context 32 --steps 2) prefill=(--context 32,64) latency=(--batch 2 --input-tokens 8 --output-tokens 4)
  answer_options=(--cache.device_tokens 2048)
  limit=120 test_filter='*RmsNorm*:*GatherRows*:*Stream*'
else
  shape=llama-3-8b shape_gqa8=llama-3-70b requests=share/recall_64.jsonl
  mapfile -t models < <(ls share/models)
  common=(--repeats $(( quick ? 2 : 5 )) --schedule.max_step_tokens 8192)
  kernels=() decode=(--batch 1,64 --context 1024,4096) prefill=(--context 1024,8192) latency=()
  answer_options=()
  limit=900 test_filter='*'
fi
common+=(--device cuda)

# ---- steps: each leaves a log and a line "name code seconds" ------------------------------------------------------------

step() {  # name, command…
  local name=$1 start=$SECONDS code
  shift
  printf '%-40s' "$name"
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  printf '%s\t%d\t%d\n' "$name" "$code" $(( SECONDS - start )) >> "$out/steps.tsv"
  case $code in 0) echo "ok, $(( SECONDS - start )) s" ;; 124) echo "TOOK TOO LONG" ;; *) echo "FAILED ($code)"; tail -n 5 "$out/$name.log" ;; esac
  return $code
}
skip() { printf '%-40s%s\n' "$1" "skipped: $2"; printf '%s\tskipped\t%s\n' "$1" "$2" >> "$out/steps.tsv"; }
fact() { printf '%s\t%s\n' "$1" "$2" >> "$out/facts.tsv"; }

fact date "$(date -u +%F)"
fact commit "$(sed -n 's/^commit //p' MANIFEST)"
fact dry "$dry"
if command -v nvidia-smi > /dev/null; then
  fact gpu "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)"
  fact driver "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"
  nvidia-smi -q > "$out/nvidia-smi.txt" 2>&1
elif (( dry )); then fact gpu "emulated on the host"; fact driver none; fi

# ---- 1. the device, its tests -------------------------------------------------------------------------------------------

step info lockstep info --model share/models/recall
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2> /dev/null || true)
while read -r ranks name program arguments; do
  launcher=()
  (( ranks == 0 )) || launcher=(mpirun -n "$ranks")
  # shellcheck disable=SC2086
  step "test.${name#gpu.}" env GTEST_FILTER="$test_filter" ${launcher[@]+"${launcher[@]}"} "bin/$program" $arguments
  for tool in memcheck racecheck synccheck; do
    if (( dry || quick || ranks != 0 )) || [[ -z $sanitizer ]]; then continue; fi
    # shellcheck disable=SC2086
    step "$tool.${name#gpu.}" env LOCKSTEP_CUDA_ARENA=off "$sanitizer" --tool "$tool" --error-exitcode 99 "bin/$program" $arguments
  done
done < share/gpu_tests.txt
[[ -n $sanitizer ]] || skip sanitizer "there is no compute-sanitizer"

# ---- 2. the same answers ------------------------------------------------------------------------------------------------

answer() {  # name, model, ranks, options…
  local name=$1 model=$2 ranks=$3 launcher=()
  shift 3
  (( ranks == 1 )) || launcher=(mpirun -n "$ranks")
  step "answers.$name" ${launcher[@]+"${launcher[@]}"} lockstep generate --model "share/models/$model" --input "$requests" \
    --output "$out/$name.jsonl" --restart ${answer_options[@]+"${answer_options[@]}"} "$@"
}
texts() { sed 's/.*"text":"\(.*\)","finish_reason".*/\1/' "$1"; }
compare() {  # name, file, file: every byte
  if [[ -s $2 && -s $3 ]] && cmp -s "$2" "$3"; then fact "same.$1" yes; else fact "same.$1" NO; fi
}

for model in "${models[@]}"; do
  answer "$model.gpu" "$model" 1 --device cuda
  answer "$model.cpu" "$model" 1 --device cpu
  answer "$model.no_graphs" "$model" 1 --device cuda --graphs false
  answer "$model.no_plan_ahead" "$model" 1 --device cuda --plan-ahead off
  answer "$model.batch_1" "$model" 1 --device cuda --schedule.max_sequences 1
  answer "$model.small_steps" "$model" 1 --device cuda --schedule.max_step_tokens 64
  answer "$model.two_ranks" "$model" 2 --device cuda --share-gpu
  for other in no_graphs no_plan_ahead batch_1 small_steps two_ranks; do
    compare "$model.$other" "$out/$model.gpu.jsonl" "$out/$model.$other.jsonl"
  done
  # Another device rounds differently: a text may differ where two tokens are nearly equal, not one in twenty.
  if [[ -s $out/$model.gpu.jsonl && -s $out/$model.cpu.jsonl ]]; then
    # Tabs stand in JSON as \t, so they separate.
    equal=$(paste <(texts "$out/$model.gpu.jsonl") <(texts "$out/$model.cpu.jsonl") | awk -F '\t' '$1 == $2' | wc -l)
    all=$(wc -l < "$out/$model.gpu.jsonl")
    fact "equal_to_cpu.$model" "$equal of $all"
    (( 100 * equal >= 95 * all )) || fact "same.$model.as_on_the_cpu" "NO, $equal of $all"
  fi
done

# ---- 3. figures ---------------------------------------------------------------------------------------------------------

step bench.kernels lockstep bench kernels --shape "$shape" --json "$out/kernels.json" "${common[@]}" ${kernels[@]+"${kernels[@]}"}
step bench.kernels_gqa8 lockstep bench kernels --shape "$shape_gqa8" --ops paged_attention --json "$out/kernels_gqa8.json" \
  "${common[@]}" ${kernels[@]+"${kernels[@]}"}
step bench.latency lockstep bench latency --shape "$shape" --json "$out/latency.json" "${common[@]}" ${latency[@]+"${latency[@]}"}
step bench.prefill lockstep bench prefill --shape "$shape" --json "$out/prefill.json" "${common[@]}" "${prefill[@]}"
step bench.decode lockstep bench decode --shape "$shape" --json "$out/decode.json" "${common[@]}" "${decode[@]}"

# ---- 4. the same shapes in torch ----------------------------------------------------------------------------------------

if [[ -n $LOCKSTEP_PYTHON ]] && "$LOCKSTEP_PYTHON" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
  step yardstick "$LOCKSTEP_PYTHON" torch_yardstick.py --json "$out/torch.json"
else
  skip yardstick "there is no Python with torch and a GPU"
fi

# ---- 5. the table -------------------------------------------------------------------------------------------------------

if [[ -n $LOCKSTEP_PYTHON ]]; then
  "$LOCKSTEP_PYTHON" report.py "$out" | tee "$out/gpu-results.md"
else
  echo "no Python here: run report.py on a copy of $out"
fi
failed=$(awk -F '\t' '$2 != 0 && $2 != "skipped"' "$out/steps.tsv" | wc -l)
different=$(awk -F '\t' '$1 ~ /^same\./ && $2 != "yes"' "$out/facts.tsv" | wc -l)
echo "$failed steps failed, $different answers differ"
(( failed == 0 && different == 0 ))
