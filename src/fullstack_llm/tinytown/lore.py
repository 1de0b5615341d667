"""The raw material of the town: names, streets, places, jobs, tastes, and the dozen characters of the chapters.

>>> len(CHARACTERS), CHARACTERS["Bo"]["pet_name"]
(12, 'Crumb')
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


STREETS = (
    "Mill Lane",
    "Market Street",
    "Lantern Row",
    "Orchard Road",
    "Harbour Road",
    "Bridge Street",
    "Garden Lane",
    "Tower Street",
    "Willow Walk",
    "River Row",
)

# Place: street, hour at which it opens, colour of its door.
PLACES: dict[str, tuple[str, str, str]] = {
    "the bakery": ("Market Street", "six", "brown"),
    "the school": ("Garden Lane", "eight", "green"),
    "the town hall": ("Market Street", "nine", "black"),
    "the clinic": ("Bridge Street", "eight", "white"),
    "the smithy": ("Tower Street", "seven", "grey"),
    "the library": ("Lantern Row", "ten", "red"),
    "the post office": ("Bridge Street", "seven", "yellow"),
    "the mill": ("Mill Lane", "five", "white"),
    "the clock tower": ("Tower Street", "noon", "gold"),
    "the inn": ("River Row", "eleven", "blue"),
    "the harbour": ("Harbour Road", "four", "blue"),
    "the grocery": ("Market Street", "eight", "green"),
    "the farm": ("Orchard Road", "five", "red"),
    "the garden": ("Garden Lane", "nine", "green"),
    "the workshop": ("Willow Walk", "nine", "purple"),
    "the dairy": ("Orchard Road", "four", "white"),
}

JOBS: dict[str, str] = {
    "baker": "the bakery",
    "teacher": "the school",
    "clerk": "the town hall",
    "doctor": "the clinic",
    "nurse": "the clinic",
    "smith": "the smithy",
    "librarian": "the library",
    "mail carrier": "the post office",
    "miller": "the mill",
    "clockmaker": "the clock tower",
    "cook": "the inn",
    "waiter": "the inn",
    "fisher": "the harbour",
    "sailor": "the harbour",
    "boat builder": "the harbour",
    "grocer": "the grocery",
    "farmer": "the farm",
    "shepherd": "the farm",
    "gardener": "the garden",
    "beekeeper": "the garden",
    "weaver": "the workshop",
    "potter": "the workshop",
    "tailor": "the workshop",
    "carpenter": "the workshop",
    "painter": "the workshop",
    "cheesemaker": "the dairy",
    "milkman": "the dairy",
}
# There is one mayor: chance never draws this job.
RESERVED_JOBS: dict[str, str] = {"mayor": "the town hall"}

PETS = _words("cat dog hen goat goose duck frog mouse rabbit donkey pony parrot pigeon raven tortoise hamster")
PET_NAMES = _words(
    """
    Acorn Apple Bean Biscuit Bramble Bubble Button Cherry Clover Copper Cricket Daisy Dumpling Ember Feather Fern
    Fudge Ginger Hazel Honey Jasper Jelly Juniper Kipper Lemon Lentil Maple Marble Mittens Moss Muffin Mustard Nettle
    Noodle Nutmeg Olive Onyx Pancake Patch Peanut Pebble Pepper Pickle Pippin Plum Poppy Pudding Pumpkin Radish Rusty
    Sorrel Speckle Splash Sprout Teapot Thistle Toffee Truffle Turnip Waffle Walnut Whisker Willow Ziggy
    """
)
FOODS = (
    "rye bread", "plum jam", "apple cake", "pea soup", "fried fish", "goat cheese", "roast corn", "bean stew",
    "honey cake", "mushroom pie", "cherry tart", "carrot soup", "smoked herring", "potato salad", "oat porridge",
    "baked pears", "egg noodles", "lemon pudding", "onion soup", "rice pudding", "nut bread", "cabbage rolls",
    "tomato soup", "walnut cake", "pancakes", "dumplings", "pickles", "blueberries",
)  # fmt: skip
COLOURS = _words("red blue green yellow brown white black grey purple pink gold silver")
HOBBIES = (
    "fishing", "singing", "dancing", "painting boats", "playing chess", "flying kites", "knitting socks",
    "collecting shells", "reading maps", "watching birds", "growing roses", "climbing trees", "playing the flute",
    "playing the drum", "playing the accordion", "telling stories", "writing poems", "carving spoons", "baking pies",
    "counting stars", "swimming", "juggling", "skipping stones", "solving riddles", "building towers",
    "drawing faces", "picking berries", "racing snails",
)  # fmt: skip
MONTHS: dict[str, int] = {
    "January": 31, "February": 28, "March": 31, "April": 30, "May": 31, "June": 30,
    "July": 31, "August": 31, "September": 30, "October": 31, "November": 30, "December": 31,
}  # fmt: skip
HOURS = _words("four five six seven eight nine ten eleven noon")

_COLUMNS = _words("sex job home age birthday pet pet_name food colour hobby friend")
# As in the Town Book (corpus/data/prose.txt). Kit and Pia go to school and have no job.
_CHARACTERS = """
    Ada  | f | teacher      | Lantern Row   | 41 | 12 March     | hen      | Seven    | plum jam      | blue   | counting stars        | Dot
    Bo   | m | baker        | Market Street | 52 | 4 January    | cat      | Crumb    | pea soup      | brown  | telling stories       | Milo
    Cy   | m | clerk        | Bridge Street | 38 | 31 December  | tortoise | Comma    | rye bread     | black  | playing the accordion | Ivo
    Dot  | f | doctor       | River Row     | 45 | 19 June      | dog      | Thursday | onion soup    | white  | watching birds        | Ada
    Fay  | f | mail carrier | Orchard Road  | 33 | 9 September  | pigeon   | Stamp    | honey cake    | yellow | dancing               | Gus
    Gus  | m | smith        | Tower Street  | 57 | 2 November   | raven    | Hinge    | bean stew     | grey   | building towers       | Fay
    Hana | f | librarian    | Lantern Row   | 48 | 23 April     | cat      | Index    | lemon pudding | green  | reading maps          | Lena
    Ivo  | m | clockmaker   | Tower Street  | 66 | 29 February  | parrot   | Tock     | oat porridge  | gold   | solving riddles       | Cy
    Kit  | m | -            | Garden Lane   | 9  | 7 July       | frog     | Because  | pancakes      | red    | skipping stones       | Pia
    Lena | f | mayor        | Market Street | 50 | 1 May        | donkey   | Bench    | apple cake    | purple | growing roses         | Hana
    Milo | m | miller       | Mill Lane     | 53 | 15 August    | goose    | Bran     | fried fish    | white  | playing chess         | Bo
    Pia  | f | -            | Garden Lane   | 8  | 10 October   | mouse    | Perhaps  | cherry tart   | pink   | flying kites          | Kit
"""  # noqa: E501


def _characters() -> dict[str, dict[str, str]]:
    rows = [[cell.strip() for cell in line.split("|")] for line in _CHARACTERS.strip().splitlines()]
    return {
        name: {key: cell for key, cell in zip(_COLUMNS, cells, strict=True) if cell != "-"} for name, *cells in rows
    }


CHARACTERS = _characters()

# Names of other people in the Town Book: never drawn, so that no drawn person contradicts the book.
BOOK_NAMES = ("Eli", "Jun", "Nell", "Otto", "Rosa", "Sami", "Tess")

FEMALE = _words(
    """
    Abby Agnes Alba Alma Amber Amy Anita Anka Anna Asta Ava Bea Bella Berta Betty Bina Birgit Blanca Bonnie
    Britta Cara Carla Celia Clara Cora Daria Della Delia Dina Donna Doris Edda Edith Effie Elena Elin Ella Elsa Emma
    Erika Esme Esther Etta Eva Fiona Flora Freya Frida Gerda Gilda Gina Gloria Greta Gwen Hanka Hattie Heidi Helga
    Henna Hilda Holly Ida Ilse Ines Inga Irene Iris Isla Ivy Jana Jane Janet Jenny Jess Jill Joan Joyce Julia Kaia
    Kara Karin Katya Kira Laila Lara Laura Leah Leila Lily Linda Lisa Liv Lola Lotta Lucy Luna Lydia Mabel Maia Maren
    Marta Mary Maya Meg Mila Mina Mira Moira Molly Mona Nadia Nancy Naomi Nina Nora Odile Olga Opal Paula Petra Polly
    Queenie Rana Rhea Rita Roma Rose Ruth Sadie Sally Sara Selma Signe Sofia Stella Sunita Svea Sylvia Tara Tilda Tina
    Tova Trudy Una Ursula Vera Vida Viola Wanda Wilma Willa Xenia Yara Yoko Yvonne Zara Zelda Zina Zoe
    """
)
MALE = _words(
    """
    Abe Adam Alan Albert Alec Alfie Amir Anders Andy Anton Arlo Arne Axel Barney Basil Ben Bert Bill Boris Bruno Burt
    Carl Cecil Chad Colin Conrad Craig Dale Dan Darius David Dean Denis Dick Dmitri Doug Duncan Earl Ed Edgar Edwin
    Emil Enzo Eric Ernie Ezra Felix Finn Floyd Frank Fred Fritz Gabe Gary Gene Georg Gilbert Glen Grant Hal Hank Hans
    Harry Hector Henry Herb Hugo Ian Igor Isak Ivan Jack Jakob James Jan Jed Jim Joe Jonas Josef Juan Karl Keith
    Ken Kim Knut Kurt Lars Len Leo Liam Lloyd Louis Luca Luke Lyle Marco Mark Max Mike Mo Morris Ned Neil Nico Nils
    Noah Norm Olaf Omar Oscar Owen Pablo Pat Paul Pedro Percy Pete Phil Quinn Rafe Ralf Ray Rex Rob Roland Ron Rudi Sam
    Saul Sean Seth Sid Simon Stan Sven Tariq Ted Theo Tim Tobias Tom Toni Udo Umar Uwe Vic Viktor Vito Wade Walt Wes
    Will Yann Yusuf Zack Zeno
    """
)
