HEIGHT = 300


def drawn_charts(result):
    return []
