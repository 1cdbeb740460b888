#!/bin/sh
# Teacher, search and students of the CIFAR-10 example, and their report: benches/study/run.sh --data DIR --out DIR [options]
#
# A softmax teacher is trained from weights that there are, attention is searched from the teacher's, and for every share and
# seed three students start from the teacher's weights: the searched plan with and without distillation, and a plan by chance
# with it. All runs of students are equal but for that. Runs that are finished are not repeated, and those that were stopped
# go on, so the command can be repeated until it ends.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
model=$root/examples/cifar10/model.mpv
data= out= mpcc=$root/target/release/mpcc
from=$root/examples/cifar10/weights.safetensors
shares="0.1 0.5" seeds="1 2 3" jobs=2
teacher_epochs=14 search_epochs=3 student_epochs=1 images=500
usage() {
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    cat <<END

  --data DIR        CIFAR-10 with the directories train and test
  --out DIR         where runs and the report go
  --from FILE       weights that the teacher starts from (the example's)
  --shares "MU …"   shares of heads with ReLU-softmax ($shares)
  --seeds "N …"     seeds of students, and of plans by chance ($seeds)
  --teacher N, --search N, --students N   epochs ($teacher_epochs, $search_epochs, $student_epochs)
  --images N        test images under MPC ($images)
  --jobs N          students at a time, one thread each ($jobs)
END
}
while [ $# -gt 0 ]; do
    case $1 in
        --data) data=$2 ;;
        --out) out=$2 ;;
        --from) from=$2 ;;
        --shares) shares=$2 ;;
        --seeds) seeds=$2 ;;
        --teacher) teacher_epochs=$2 ;;
        --search) search_epochs=$2 ;;
        --students) student_epochs=$2 ;;
        --images) images=$2 ;;
        --jobs) jobs=$2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift 2
done
[ -n "$data" ] && [ -n "$out" ] || { usage >&2; exit 2; }
# Always, since the report names the commit of the clone.
(cd "$root" && cargo build --quiet --release --workspace --bins --target-dir target)
mkdir -p "$out/runs" "$out/logs"
out=$(cd "$out" && pwd) data=$(cd "$data" && pwd)

# Few epochs: crops and mirroring, no mixing.
recipe="--data $data --augment crop-flip --mixup 0 --cutmix 0 --smoothing 0.1 --attention-dropout 0 --drop-path 0.05 --held-out 0.04"
done_already() { [ -e "$1/training.json" ]; }

teacher=$out/teacher
done_already "$teacher" || "$mpcc" train "$model" --plan ATTN=SOFTMAX --from "$from" \
    $recipe --epochs "$teacher_epochs" --warm-up 1 --rate 6e-4 --seed 1 -o "$teacher"

search=$out/search
random=$(echo $seeds | wc -w)
[ -e "$search/search.json" ] || "$mpcc" search "$model" --plan ATTN=SEARCH --from "$teacher/weights.safetensors" \
    $recipe --epochs "$search_epochs" --warm-up 0 --rate 4e-4 --seed 1 --ranges-from 0 \
    --mu "$(echo 0.1 0.3 0.5 0.7 $shares | tr ' ' '\n' | sort -u | paste -sd, -)" --random "$random" --net wan -o "$search"

student() { # NAME SEED PLAN DISTILLED
    folder=$out/runs/$1-s$2
    [ -e "$folder/training.json" ] && return
    common="--plan ATTN=$search/plans/$3.json --from $teacher/weights.safetensors $recipe --epochs $student_epochs --warm-up 0"
    common="$common --rate 4e-4 --seed $2 --threads 1 -o $folder"
    if [ "$4" = yes ]; then
        echo "'$mpcc' distill '$model' --teacher '$model' --teacher-plan ATTN=SOFTMAX --teacher-weights '$teacher/weights.safetensors' $common > '$out/logs/$1-s$2' 2>&1"
    else
        echo "'$mpcc' train '$model' $common > '$out/logs/$1-s$2' 2>&1"
    fi
}
for seed in $seeds; do
    for share in $shares; do
        student "mu$share-searched-distilled" "$seed" "mu-$share" yes
        student "mu$share-searched" "$seed" "mu-$share" no
        student "mu$share-random-distilled" "$seed" "random-$share-$seed" yes
    done
done | xargs -r -d '\n' -P "$jobs" -n 1 sh -c

# The report names directories as they are given, and the commit is that of the clone.
cd "$out"
GIT_DIR=$(git -C "$root" rev-parse --absolute-git-dir) GIT_WORK_TREE=$root \
    "$mpcc" bench pareto "$model" --point teacher=teacher --points runs --data "$data/test" --images "$images" --net loopback,wan -o report
"$root/benches/study/tables.py" report/pareto.json > report/tables.md
echo "wrote $out/report/tables.md"
