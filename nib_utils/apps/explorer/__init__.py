"""The explorer: a panel of widgets for one picture, its captions, and what methods say of them."""
