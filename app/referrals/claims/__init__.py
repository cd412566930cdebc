"""Friends who take up an offer: checked, given their code, looked at by staff."""
