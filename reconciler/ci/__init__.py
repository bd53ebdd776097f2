"""In the pipelines of GitHub and GitLab: which plan was approved, what comments and issues say, what is trusted.

job.py, labels.py, approval.py, texts.py    decisions: functions over values, without IO
rest.py, github.py, gitlab.py               the two APIs behind one small protocol, `forge.Forge`
posts.py, outputs.py, surroundings.py       what is posted, written and found at hand
"""
