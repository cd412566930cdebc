"""What pages and answers put together by others show of referrals."""
