"""The console's entry: one frame, three pages. Run by `lake console`."""

from __future__ import annotations

import streamlit as st

st.set_page_config(page_title="lakemesh", page_icon=":material/water:", layout="wide")
st.title("lakemesh")
