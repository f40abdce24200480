from .anatomy import Anatomy, anatomies
from .browser import kit, player_parts
from .drafts import Glimpse
from .frames import PICTURES, Film, Frame, Points, Still, film_of, still
from .lanes import MOST
from .levels import compand, data_uri, palettes
from .planes import View, Walk, called, pieces, surveys
from .recording import KINDS, MOMENTS, Lane, Recording, Take, film
from .reel import Reel, view_from_dict
from .scene import anatomy_message, frame_message, lane_message, points_message, result_message, slow_message

__all__ = [
    "Anatomy",
    "Film",
    "Frame",
    "Glimpse",
    "KINDS",
    "Lane",
    "MOMENTS",
    "MOST",
    "PICTURES",
    "Points",
    "Recording",
    "Reel",
    "Still",
    "Take",
    "View",
    "Walk",
    "anatomies",
    "anatomy_message",
    "called",
    "compand",
    "data_uri",
    "film",
    "film_of",
    "frame_message",
    "kit",
    "lane_message",
    "palettes",
    "pieces",
    "player_parts",
    "points_message",
    "result_message",
    "slow_message",
    "still",
    "surveys",
    "view_from_dict",
]
