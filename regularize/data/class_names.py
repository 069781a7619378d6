"""What the classes of the official sets are called, by number; digits have numbers only."""

from __future__ import annotations


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.replace("_", " ") for name in text.split())


KMNIST = _names("o ki su tsu na ha ma ya re wo")  # the syllables
EMNIST_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
EMNIST_BYCLASS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
EMNIST_BYMERGE = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")  # capitals that look the same
FASHION_MNIST = _names("T-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot")
CIFAR10 = _names("airplane automobile bird cat deer dog frog horse ship truck")
CIFAR100 = _names("""
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal
    shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
""")
