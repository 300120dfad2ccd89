"""The two beginnings that the course lets its models continue: Newton's method, and a cosine distance.

The tasks are the course's, the words our own. Their tokens are part of a re-indexed vocabulary.
"""

NEWTON = '''def newton(step_size, num_steps, X, y, penalty, beta=None):
    """
    Minimise the average logistic loss plus an L2 penalty with Newton's method.

    step_size: float, how far to go along each Newton direction
    num_steps: int, the number of iterations
    X: torch.Tensor, the covariates, of shape (games, teams)
    y: torch.Tensor, the responses, 0 or 1, of shape (games,)
    penalty: float, the weight of the squared norm of beta
    beta: torch.Tensor, where to start, of shape (teams,); random if None
    """
    if beta is None:
        beta = torch.randn(X.shape[1])
    else:
        beta = beta.clone()

    # The loss before each step
    losses = []

    for step in tqdm(range(num_steps)):'''

COSINE = '''import torch


def unit(x, dim=-1):
    """Scale vectors to length one."""
    return x / torch.norm(x, p=2, dim=dim, keepdim=True).clamp(min=1e-12)


def euclidean_dist(x, y):
    """Euclidean distance of each row of x from each row of y."""
    squares = x.pow(2).sum(dim=1, keepdim=True) + y.pow(2).sum(dim=1)
    squares = squares - 2 * torch.matmul(x, y.t())
    return squares.clamp(min=1e-12).sqrt()


def cosine_dist(x, y):'''

EXAMPLES = {"newton": NEWTON, "cosine": COSINE}
