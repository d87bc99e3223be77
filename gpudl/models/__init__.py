"""Networks that are ready to train. The public page."""

from ._autoencoder import VAE as VAE
from ._autoencoder import Autoencoder as Autoencoder
from ._autoencoder import ConvAutoencoder as ConvAutoencoder
from ._autoencoder import Elbo as Elbo
from ._autoencoder import sparsity as sparsity
from ._charlm import RecurrentLM as RecurrentLM
from ._charlm import SequenceClassifier as SequenceClassifier
from ._cnn import CNN as CNN
from ._gan import Critic as Critic
from ._gan import Generator as Generator
from ._gpt import GPT as GPT
from ._gpt2 import GPT2 as GPT2
from ._lenet import LeNet as LeNet
from ._mobilenet import MobileNetV2 as MobileNetV2
from ._resnet import PreActResNet as PreActResNet
from ._resnet import ResNet as ResNet
from ._resnet import resnet18 as resnet18
from ._resnet import resnet50 as resnet50
from ._sampling import generate as generate
from ._sampling import probabilities as probabilities
from ._vit import ViT as ViT
