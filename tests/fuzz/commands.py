"""Commands that ask for what there is not."""
import random
import shlex
from functools import partial
from pathlib import Path

from nib_utils.apps import shell

COMMANDS = [
    "", "fly", "run nothing", "run ''", "run main_table nothing", "run --n two", "run --n 0", "run --n -5", "run --n 1.5",
    "run --model nothing", "run --model nowhere.pt", "run --model hf:", "run --model ''", "run --dataset nothing",
    "run --dataset csv", "run --dataset csv --root nowhere.csv", "run --dataset csv --root ''", "run --dataset folders --root nowhere",
    "run -p nothing 1", "run -p n two", "run -p n true", "run -p n [1]", "run -p n -3", "run -p n {a", "run -p n",
    "run -p methods nib", "run -p methods [nothing]", "run -p methods []", "run -p methods [1]", "run -p fast maybe",
    "run -p fast 2", "run -p seed true", "run -p seed -1", "run -p model [mini]", "run -p dataset nothing", "run -p n !!python/x",
    "run -p results ''", "run --results ''", "run --unknown", "run quickstart -p image nowhere.jpg", "run quickstart -p image \"''\"",
    "run quickstart -p caption 5", "run quickstart --n 3", "stream", "stream nowhere --out o",
    "stream nowhere.tar --out o", "stream '' --out o", "stream . --out o", "stream shapes --out o", "stream shapes --out '' --n 3",
    "stream shapes --out o --n 0", "stream shapes --out o --n 3 --part 7", "stream shapes --out o --n 3 --method nothing",
    "stream shapes --out o --n 3 --measures words", "stream shapes --out o --n 3 -p seed 4", "stream shapes --n 3 --out /dev/null/o",
    "stream shapes --out o --n 3 --seed -1", "stream {0..99999999}.tar --out o",
    "explain", "explain nowhere.png a", "explain . a", "explain '' a", "explain shapes:x a", "explain shapes:3 ''",
    "explain shapes:3 --method nothing", "explain shapes:3 --model nowhere.pt", "explain shapes:3 --model ''",
    "explain shapes:3 --layer -1", "explain shapes:3 --layer two", "explain shapes:3 --method chefer --layer 3",
    "explain shapes:3 -p nothing 1", "explain shapes:3 -p steps many", "explain shapes:3 -p steps 0", "explain shapes:3 -p layer 1.5",
    "explain shapes:3 -o nowhere/a.png", "explain shapes:3 -o a.txt", "explain shapes:3 -o .", "explain " + 300 * "x" + ".png a",
    "explain shapes:3 -o /dev/null/a.png"]


def command(line: str, folder: Path) -> None:
    return shell.main(shlex.split(line))


def commands(rng: random.Random) -> dict:
    return {line: partial(command, line) for line in COMMANDS}
