"""Tables of the book: our numbers with the paper's beside them, as pandas frames ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
import torch

from . import paper


def reconstruction(errors: Mapping[str, torch.Tensor], in_domain: str) -> pd.DataFrame:
    """Lay our reconstruction errors beside the DDIM rows of Table 2.

    Parameters
    ----------
    errors : mapping of str to Tensor
        Domain -> `reconstruction_error` of each image, ``(n,)``.
    in_domain : str
        The domain that the model was trained on.

    Returns
    -------
    DataFrame
        One row a domain: mean, standard deviation over images and standard error of the mean; then the data set
        of the paper that the domain stands for, and its printed error.
    """
    printed = paper.table_2()
    rows = {}
    for name, mae in errors.items():
        theirs = printed.get(name)
        rows[f"{name} ({'ID' if name == in_domain else 'OOD'})"] = {
            "images": len(mae),
            "MAE (ours)": f"{mae.mean():.4f}",
            "std": f"{mae.std():.4f}",
            "std. error": f"{mae.std() / len(mae) ** 0.5:.4f}",
            "data set (paper)": theirs.domain if theirs else "–",
            "MAE (paper)": f"{theirs.mae:.3f} ± {theirs.spread:.0e}" if theirs else "–",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def cited_reconstruction(methods: Iterable[str]) -> pd.DataFrame:
    """Show rows of Table 2 as printed in the paper; nothing of them is measured here."""
    wanted = set(methods)
    rows = [row for row in paper.TABLE_2 if row.method in wanted]
    return pd.DataFrame(
        {
            "method (paper)": [row.method for row in rows],
            "domain": [f"{row.domain} ({'ID' if row.in_domain else 'OOD'})" for row in rows],
            "MAE (paper)": [f"{row.mae:.3f}" for row in rows],
        }
    )
