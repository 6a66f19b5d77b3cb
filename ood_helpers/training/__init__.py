"""How the shipped networks came about: the toy models and the domain scorer, each trained by one seeded command."""
