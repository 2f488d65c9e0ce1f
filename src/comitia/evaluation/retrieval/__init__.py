"""Finding providers, measured: how well profiles let them be found, what lookups cost, what is given away.

`lookups` runs lookups in a `world` of participants that are made up (`synthetic`) or cut from real `documents`;
`profiles` measures what such profiles find, `attacks` what their readers learn.
"""
