"""The words that scenes are made of.

Every word listed here is a single token of the model's vocabulary when a space stands before it
(`build_tokenizer.py` checks that), so a key such as "copper key" is always two tokens.
"""

NAMES = (
    "Mira Tomas Anna Felix Nora Oskar Lena Hugo Ines Karl Ruth Otto Petra Simon Vera Jonas Clara Emil "
    "Greta Paul Rosa Victor Alma Bruno Edith Frank Hanna Ivan Julia Leo Marta Nils Olga Peter Sara Theo"
).split()

# None starts with a vowel, so "a" is always the right article.
ADJECTIVES = (
    "copper silver golden wooden broken little heavy painted rusty blue red green white black yellow "
    "grey round narrow glass paper leather plain"
).split()

OBJECTS = (
    "key lamp letter box book coat map ring clock violin basket hammer mirror bottle knife candle drum "
    "flute bell cup spoon chair ladder rope hat glove blanket compass whistle mask brush kettle wheel "
    "lantern sword purse"
).split()

PLACES = (
    "attic cellar kitchen garden library hall barn stable tower chapel workshop bakery office garage "
    "pantry nursery bedroom parlor courtyard orchard harbor market station school theater museum mill "
    "forge cave forest meadow valley castle temple tavern hospital prison bank gallery tunnel "
    "greenhouse lighthouse laundry shed"
).split()

# Verb in a statement, verb in a question.
HABITS = [
    ("works", "work"), ("sleeps", "sleep"), ("reads", "read"), ("sings", "sing"), ("paints", "paint"),
    ("waits", "wait"), ("cooks", "cook"), ("dances", "dance"), ("plays", "play"), ("writes", "write"),
]

TIMES = "noon dawn midnight breakfast Monday".split()
WEATHER = "rain wind snow storm fog".split()
