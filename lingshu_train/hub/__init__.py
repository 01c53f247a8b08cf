"""What goes to a hub and comes from one: model card, push, downloads. What a licence allows is decided in data/cards/."""
