"""The portal: server-rendered pages in Japanese and English for customers, resellers and operators."""
