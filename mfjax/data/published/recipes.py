"""The published sets: which files each has, how they are read, where they come from. A table; no file is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = ("user", "item", "value", "timestamp")

WHOLE = "all"
"""The part of a set that does not come split."""

NEGATIVES = "negatives"
"""The part that lists the items among which a test's item is ranked, see `candidates`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemFile:
    """The file beside the interactions that says what the items are called.

    Attributes:
        files: names that it may have, in the order in which they are looked for.
        id, title, year, genres: columns by name, or by position in a file without a header line. None for what the file
            does not have.
        separator: of fields; None for one JSON object a line.
        header: whether the first line names the columns.
        quoting: whether fields may stand in double quotes.
        escape: the character that makes a quote within quotes an ordinary one.
        genre_separator: of the names in the column of genres.
        flags: names of genres, of which the columns from the sixth on hold "1" or "0" each; none for a column of names.
        year_in_title: whether a title ends in its year, such as "Toy Story (1995)".
    """

    files: tuple[str, ...]
    id: str | int
    title: str | int
    year: str | int | None = None
    genres: str | int | None = None
    separator: str | None = ","
    header: bool = True
    quoting: bool = False
    escape: str | None = None
    genre_separator: str = "|"
    flags: tuple[str, ...] = ()
    year_in_title: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """How a set is laid out in files, and how they are read.

    Attributes:
        parts: part -> names that its file may have, with at most one "*". What "*" stands for is the same in all parts.
            A set that does not come split has the one part `WHOLE`. The suffix of a compression may follow.
        options: of `data.read`. A column may be a tuple of names: the one that the file has is read.
        optional: parts that may be missing.
        lacking: columns that a file may lack, which are then not read.
        items: what the items are called.
        told: whether the names of the files tell this layout from others. If not, the recipe is used only by its name.
    """

    parts: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Any]
    optional: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    items: ItemFile | None = None
    told: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Archive:
    """A zip archive at a stable address, whose licence lets users fetch it.

    Attributes:
        path: below `releases.GROUPLENS`.
        digest: md5 or sha256 of the archive.
        folder: of the files in it, with the slash.
        official: md5 or sha256 of the file of interactions; None where none is published.
    """

    path: str
    digest: str
    folder: str = ""
    official: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Published:
    """A set by its name.

    Attributes:
        recipe: how it is read.
        note: the licence, and where to get the files.
        archive: where it is fetched from; None for what users fetch themselves.
        stem: what "*" of the recipe's names stands for; None for anything.
    """

    recipe: Recipe
    note: str
    archive: Archive | None = None
    stem: str | None = None


# In the order of the flags of u.item.
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

_BY_POSITION = {"user": 0, "item": 1, "value": 2, "timestamp": 3}

_U_DATA = Recipe(
    # Folds have the layout of the whole.
    parts={WHOLE: ("u.data", "u*.base", "u*.test")},
    options={**_BY_POSITION, "separator": "\t", "header": False},
    items=ItemFile(
        files=("u.item",), id=0, title=1, separator="|", header=False, flags=GENRES, year_in_title=True
    ),
)  # fmt: skip

_RATINGS_DAT = Recipe(
    parts={WHOLE: ("ratings.dat",)},
    options={**_BY_POSITION, "separator": "::", "header": False},
    items=ItemFile(
        files=("movies.dat",), id=0, title=1, genres=2, separator="::", header=False, year_in_title=True
    ),
)  # fmt: skip

_RATINGS_CSV = Recipe(
    parts={WHOLE: ("ratings.csv",)},
    options={"user": "userId", "item": "movieId", "value": "rating", "timestamp": "timestamp", "separator": ","},
    items=ItemFile(
        files=("movies.csv",), id="movieId", title="title", genres="genres", quoting=True, year_in_title=True
    ),
)  # fmt: skip

_LISTS = Recipe(parts={"train": ("train.txt",), "test": ("test.txt",)}, options={"layout": "lists"})

_NCF = Recipe(
    parts={"train": ("*.train.rating",), "test": ("*.test.rating",), NEGATIVES: ("*.test.negative",)},
    options={**_BY_POSITION, "separator": "\t", "header": False},
    optional=("train",),
    lacking=("value", "timestamp"),
)

_LASTFM = Recipe(
    parts={WHOLE: ("user_artists.dat",)},
    options={"user": "userID", "item": "artistID", "value": "weight", "separator": "\t"},
    items=ItemFile(files=("artists.dat",), id="id", title="name", separator="\t"),
)

_BOOK_CROSSING = Recipe(
    parts={WHOLE: ("BX-Book-Ratings.csv",)},
    options={
        "user": "User-ID", "item": "ISBN", "value": "Book-Rating", "separator": ";", "encoding": "latin-1",
        "escape": "\\",
    },
    items=ItemFile(
        files=("BX-Books.csv", "BX_Books.csv"), id="ISBN", title="Book-Title", year="Year-Of-Publication",
        separator=";", quoting=True, escape="\\",
    ),
)  # fmt: skip

# The same ratings as others publish them: in UTF-8, by comma or semicolon, which is found.
_BOOK_RATINGS = Recipe(
    parts={WHOLE: ("Ratings.csv",)},
    options={"user": "User-ID", "item": "ISBN", "value": ("Book-Rating", "Rating")},
    items=ItemFile(
        files=("Books.csv",), id="ISBN", title="Book-Title", year="Year-Of-Publication", quoting=True
    ),
)  # fmt: skip

# Reviews that were written twice are there twice.
_LATEST = {"duplicates": "last"}

_AMAZON_2014 = Recipe(
    parts={WHOLE: ("ratings_*.csv",)},
    options={**_BY_POSITION, "separator": ",", "header": False, "time_unit": "s", **_LATEST},
    told=False,
)

_AMAZON_2018 = Recipe(
    parts={WHOLE: ("*.csv",)},
    options={
        "user": 1, "item": 0, "value": 2, "timestamp": 3, "separator": ",", "header": False, "time_unit": "s", **_LATEST
    },
    told=False,
)  # fmt: skip

_AMAZON_COLUMNS = {"user": "user_id", "item": "parent_asin", "value": "rating", "timestamp": "timestamp"}

_AMAZON_2023_SPLIT = Recipe(
    parts={"train": ("*.train.csv",), "validation": ("*.valid.csv",), "test": ("*.test.csv",)},
    options={**_AMAZON_COLUMNS, "separator": ",", "time_unit": "ms", **_LATEST},
)

_AMAZON_2023 = Recipe(
    parts={WHOLE: ("*.csv",)}, options={**_AMAZON_COLUMNS, "separator": ",", "time_unit": "ms", **_LATEST}
)

_RETAILROCKET = Recipe(
    parts={WHOLE: ("events.csv",)},
    options={
        "user": "visitorid", "item": "itemid", "value": "event", "timestamp": "timestamp", "separator": ",",
        "time_unit": "ms", "values": {"view": 1, "addtocart": 2, "transaction": 3},
        # A pair has the most that became of it.
        "duplicates": "max",
    },
)  # fmt: skip

_YELP = Recipe(
    parts={WHOLE: ("yelp_academic_dataset_review.json", "review.json")},
    options={"user": "user_id", "item": "business_id", "value": "stars", "timestamp": "date", **_LATEST},
    items=ItemFile(
        files=("yelp_academic_dataset_business.json", "business.json"), id="business_id", title="name",
        genres="categories", separator=None, genre_separator=", ",
    ),
)  # fmt: skip

_GOODREADS = Recipe(
    parts={WHOLE: ("goodreads_interactions.csv",)},
    options={"user": "user_id", "item": "book_id", "value": "rating", "separator": ",", **_LATEST},
)

_GOODREADS_JSON = Recipe(
    parts={WHOLE: ("goodreads_interactions*.json",)},
    options={
        "user": "user_id", "item": "book_id", "value": "rating", "timestamp": "date_added",
        "time_format": "%a %b %d %H:%M:%S %z %Y", **_LATEST,
    },
    items=ItemFile(
        files=("goodreads_books*.json",), id="book_id", title="title", year="publication_year", separator=None
    ),
)  # fmt: skip

_MOVIELENS = "GroupLens: for research, not to be passed on; https://grouplens.org/datasets/movielens"
_LIGHTGCN = "github.com/kuandeng/LightGCN, folder Data; no licence is stated"
_NCF_NOTE = "github.com/hexiangnan/neural_collaborative_filtering, folder Data"
_AMAZON = "McAuley Lab, for research: "


def _movielens(recipe: Recipe, name: str, digest: str, *, folder: str | None = None, official: str | None = None):
    path = f"movielens/{name}.zip"
    archive = Archive(path=path, digest=digest, folder=f"{folder or name}/", official=official)
    return Published(recipe=recipe, note=_MOVIELENS, archive=archive)


SETS: dict[str, Published] = {
    "ml-100k": _movielens(
        _U_DATA, "ml-100k", "0e33842e24a9c977be4e0107933c0723",
        official="06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    ),
    "ml-1m": _movielens(
        _RATINGS_DAT, "ml-1m", "c4d9eecfca2ab87c1945afe126590906", official="a89aa3591bc97d6d4e0c89459ff39362"
    ),
    "ml-10m": _movielens(_RATINGS_DAT, "ml-10m", "ce571fd55effeba0271552578f2648bd", folder="ml-10M100K"),
    "ml-20m": _movielens(_RATINGS_CSV, "ml-20m", "cd245b17a1ae2cc31bb14903e1204af3"),
    "ml-25m": _movielens(_RATINGS_CSV, "ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada"),
    "ml-32m": _movielens(_RATINGS_CSV, "ml-32m", "d472be332d4daa821edc399621853b57"),
    "ml-latest-small": _movielens(
        _RATINGS_CSV, "ml-latest-small", "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
    ),
    "lastfm": Published(
        recipe=_LASTFM, note="Last.fm by HetRec 2011: not for commerce; https://grouplens.org/datasets/hetrec-2011",
        archive=Archive(
            path="hetrec2011/hetrec2011-lastfm-2k.zip",
            digest="6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
        ),
    ),
    "gowalla": Published(recipe=_LISTS, note=_LIGHTGCN),
    "yelp2018": Published(recipe=_LISTS, note=_LIGHTGCN),
    "amazon-book": Published(recipe=_LISTS, note=_LIGHTGCN),
    "lightgcn": Published(recipe=_LISTS, note="any set as LightGCN has it: train.txt and test.txt, a user a line"),
    "ncf-ml-1m": Published(recipe=_NCF, note=_NCF_NOTE, stem="ml-1m"),
    "ncf-pinterest-20": Published(recipe=_NCF, note=_NCF_NOTE, stem="pinterest-20"),
    "book-crossing": Published(
        recipe=_BOOK_CROSSING, note="Cai-Nicolas Ziegler, for research: BX-CSV-Dump.zip; a rating of 0 is no rating"
    ),
    "book-crossing-ratings": Published(recipe=_BOOK_RATINGS, note="the same as Ratings.csv and Books.csv (Kaggle)"),
    "amazon-2014": Published(recipe=_AMAZON_2014, note=_AMAZON + "https://jmcauley.ucsd.edu/data/amazon"),
    "amazon-2018": Published(recipe=_AMAZON_2018, note=_AMAZON + "https://nijianmo.github.io/amazon"),
    "amazon-2023": Published(recipe=_AMAZON_2023, note=_AMAZON + "https://amazon-reviews-2023.github.io, pure ids"),
    "amazon-2023-split": Published(recipe=_AMAZON_2023_SPLIT, note=_AMAZON + "https://amazon-reviews-2023.github.io"),
    "retailrocket": Published(
        recipe=_RETAILROCKET, note="Retailrocket, CC BY-NC-SA 4.0: kaggle.com/datasets/retailrocket/ecommerce-dataset"
    ),
    "yelp": Published(recipe=_YELP, note="Yelp, for teaching and research by its terms: https://www.yelp.com/dataset"),
    "goodreads": Published(
        recipe=_GOODREADS, note="UCSD Book Graph, for research: goodreads_interactions.csv; a rating of 0 is no rating"
    ),
    "goodreads-json": Published(recipe=_GOODREADS_JSON, note="UCSD Book Graph, for research: its files of a genre"),
}  # fmt: skip
"""The sets by name, in the order in which a folder is compared with them."""
