"""Scenes: short English texts that put things and people in places, and questions about them.

A scene is a list of sentences. Some are facts ("Mira keeps the copper key in the attic."), the others
are filler, part of it made to mislead (it names places, things and people too). A fact has a key of
two words; other facts of the scene share one of the two, so that neither word alone gives the answer.
A question repeats the key and is answered by the place:

    Where is the copper key? In the attic.

Everything is a pure function of the random generator that is passed in: the same seed gives the same text.
"""

from dataclasses import dataclass
from random import Random

from words import ADJECTIVES, HABITS, NAMES, OBJECTS, PLACES, TIMES, WEATHER

STATEMENTS = [
    "{n} keeps the {a} {o} in the {p}.",
    "{n} left the {a} {o} in the {p}.",
    "{n} has hidden the {a} {o} in the {p}.",
    "{n} put the {a} {o} in the {p}.",
    "{n} found the {a} {o} in the {p}.",
    "{n} and {m} store the {a} {o} in the {p}.",
    "There is a {a} {o} in the {p}.",
    "Everyone knows of the {a} {o} in the {p}.",
]

# The key stands one word further from the place: harder, used once the plain statements are known.
FAR_STATEMENTS = [
    "The {a} {o} is in the {p}.",
    "The {a} {o} of {n} is in the {p}.",
    "The {a} {o} lies in the {p}.",
]

FILLER = [
    "The {w} has not stopped since {t}.",
    "The {w} began before {t}.",
    "It is quiet near the {p}.",
    "{n} walks slowly past the {p}.",
    "A dog barks behind the {p}.",
    "{n} and {m} talk about the {w}.",
    "Nobody speaks for a while.",
    "{n} asks {m} for a {o}.",
    "{n} would like to buy a {a} {o}.",
    "{n} has never seen the {p}.",
    "The door of the {p} is closed.",
    "The windows of the {p} are {a}.",
    "{n} drinks tea and looks at the {w}.",
    "They say that the {w} will be over by {t}.",
    "{n} comes home before {t}.",
    "The road to the {p} is long.",
    "After {t} the lights go out.",
    "Some people prefer a {a} {o}.",
    "{n} tells {m} an old story about a {o}.",
    "The children run from the {p} to the {q}.",
    "A train passes and the walls shake.",
    "{n} laughs, but {m} does not.",
    "Then the {w} grows stronger.",
    "Later it gets dark.",
]

# A paragraph starts with one of these, so that a name always has a space before it.
OPENERS = [
    "The {w} has not stopped since {t}.",
    "Now it is {t}.",
    "Later it gets dark.",
    "Nobody speaks for a while.",
    "It is quiet near the {p}.",
    "A dog barks behind the {p}.",
    "The door of the {p} is closed.",
]


@dataclass(frozen=True)
class Fact:
    key: tuple[str, str]
    statement: str
    question: str
    place: str


@dataclass(frozen=True)
class Mix:
    """What a document is made of; every share is between 0 and 1."""

    facts: float = 0.5        # sentences that are facts, the others being filler
    people: float = 0.25      # facts about people ("Mira sleeps in the barn."), the others about things
    far: float = 0.0          # facts about things in the harder wording
    one_word: bool = False    # the second word of a key is unique: an easier task to begin with


def fill(template: str, rng: Random, **fixed: str) -> str:
    """Replaces the slots of `template` by random words, two of a kind never alike."""
    n, m = rng.sample(NAMES, 2)
    p, q = rng.sample(PLACES, 2)
    words = dict(n=n, m=m, p=p, q=q, a=rng.choice(ADJECTIVES), o=rng.choice(OBJECTS),
                 w=rng.choice(WEATHER), t=rng.choice(TIMES))
    words.update(fixed)
    return template.format(**words)


class Scene:
    """Writes sentences and remembers the facts told so far."""

    def __init__(self, rng: Random, mix: Mix):
        self.rng, self.mix = rng, mix
        self.facts: list[Fact] = []
        self.used: set = set()

    def opener(self) -> str:
        return fill(self.rng.choice(OPENERS), self.rng)

    def filler(self) -> str:
        return fill(self.rng.choice(FILLER), self.rng)

    def fact(self) -> Fact | None:
        """Tells a new fact, or returns None where its key was already used."""
        rng, mix = self.rng, self.mix
        place = rng.choice(PLACES)
        if rng.random() < mix.people:
            says, asks = rng.choice(HABITS)
            name = self._word(NAMES, 0)
            key = (name, says)
            statement = f"{name} {says} in the {place}."
            question = f"Where does {name} {asks}?"
        else:
            adjective, thing = self._word(ADJECTIVES, 0), self._word(OBJECTS, 1)
            key = (adjective, thing)
            wording = FAR_STATEMENTS if rng.random() < mix.far else STATEMENTS
            statement = fill(rng.choice(wording), rng, a=adjective, o=thing, p=place)
            question = f"Where is the {adjective} {thing}?"
        mark = key[1] if mix.one_word and key[0] in ADJECTIVES else key[0] if mix.one_word else key
        if mark in self.used:
            return None
        self.used.add(mark)
        self.facts.append(Fact(key, statement, question, place))
        return self.facts[-1]

    def sentence(self) -> str:
        """The next sentence: a fact or filler, as the mix says."""
        if self.rng.random() < self.mix.facts:
            fact = self.fact()
            if fact:
                return fact.statement
        return self.filler()

    def _word(self, words: list[str], position: int) -> str:
        """A word for a key: in half of the facts one that another key of this scene has already."""
        if self.facts and not self.mix.one_word and self.rng.random() < 0.5:
            word = self.rng.choice(self.facts).key[position]
            if word in words:
                return word
        return self.rng.choice(words)


def answer_text(fact: Fact) -> str:
    """What a model writes after the question, up to the end of the line."""
    return f" In the {fact.place}."


@dataclass
class Document:
    """A training text and, for every answer, the character where its place starts (at the space before it)."""

    text: str
    answers: list[int]


def training_document(rng: Random, mix: Mix, num_chars: int) -> Document:
    """At least `num_chars` characters with questions among the sentences or, in half of them, at the end.

    No fact is asked for twice: an answer can never be copied from an earlier answer.
    """
    scene = Scene(rng, mix)
    open_facts: list[Fact] = []
    parts, answers, length = [], [], 0
    at_end = rng.random() < 0.5
    told = num_chars * rng.uniform(0.4, 0.75) if at_end else 0
    asking = rng.uniform(0.3, 0.6)

    def write(text: str) -> None:
        nonlocal length
        parts.append(text)
        length += len(text)

    new_line = True
    while length < num_chars:
        ask = length > told if at_end else rng.random() < asking
        if ask and open_facts:
            recent = not at_end and rng.random() < 0.3
            fact = open_facts.pop(rng.randrange(max(0, len(open_facts) - 5) if recent else 0, len(open_facts)))
            write(("" if new_line else "\n") + fact.question + " In the")
            answers.append(length)
            write(f" {fact.place}.\n")
            new_line = True
            continue
        known = len(scene.facts)
        write(scene.opener() if new_line else " " + scene.sentence())
        open_facts += scene.facts[known:]
        new_line = False
    return Document("".join(parts), answers)


@dataclass
class Told:
    """A scene without questions: its text ends with a line break."""

    text: str
    facts: list[Fact]
    places: list[int]       # per fact, the character where its place starts (at the space before it)


def told_scene(rng: Random, mix: Mix, num_tokens: int, count) -> Told:
    """A scene of nearly `num_tokens` tokens and no more; `count(text)` gives the tokens of a text."""
    scene = Scene(rng, mix)
    text, places = scene.opener(), []
    left = num_tokens - count(text + "\n")
    while True:
        known = len(scene.facts)
        sentence = " " + scene.sentence()
        left -= count(sentence)
        if left < 0:
            break
        text += sentence
        if len(scene.facts) > known:
            places.append(text.rindex(" "))
    return Told(text + "\n", scene.facts[:len(places)], places)
