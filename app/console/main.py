"""The console's router: one frame, three pages. Run by `lake console`."""

from __future__ import annotations

import streamlit as st

from app.console.look import LOGO
from app.console.screens import activation, health, lineage


def main() -> None:
    """Draw the chosen page."""
    st.set_page_config(page_title="lakemesh", page_icon=":material/water:", layout="wide")
    st.logo(LOGO, size="medium")
    pages = [
        st.Page(health.show, title="Health", icon=":material/monitor_heart:", url_path="", default=True),
        st.Page(lineage.show, title="Lineage", icon=":material/account_tree:", url_path="lineage"),
        st.Page(activation.show, title="Activation", icon=":material/send:", url_path="activation"),
        # The first page is at the root only: somebody who types its name gets it too.
        st.Page(health.show, title="Health", url_path="health", visibility="hidden"),
    ]
    st.navigation(pages, position="top").run()


main()
